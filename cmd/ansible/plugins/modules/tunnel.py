#!/usr/bin/python
# Copyright (c) 2026 the nmgre authors
# SPDX-License-Identifier: MIT

DOCUMENTATION = r'''
module: tunnel
short_description: Make, change or remove one GRE tunnel on a host that NetworkManager runs
version_added: 0.1.0
description:
  - Has C(nmgre apply) make the tunnel as the task wants it, all of it or none of it. A second time
    it changes nothing.
  - The options are the fields of nmgre's document, which are the flags of C(nmgre create), lists in
    the plural, with C(_) in place of C(-). What is left out has the default of C(nmgre create).
  - nmgre checks every value on the host. Its errors come with the field and a hint.
options:
  name:
    description: The interface's name, 1 to 15 bytes.
    type: str
    required: true
  state:
    description: Whether the tunnel is to be there.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description: What the tunnel carries, and over what. nmgre's default is C(gre).
    type: str
    choices: [gre, gretap, ip6gre, ip6gretap]
  peer:
    description: The far end's outer address, its name, or C(NAME=ADDRESS). Needed for a tunnel that is to be there.
    type: str
  local:
    description: This end's outer address, C(any), or C(auto) for the one that the kernel would use.
    type: str
  addresses:
    description: This end's inner addresses, each with its prefix length.
    type: list
    elements: str
  peer_addresses:
    description: >-
      The far end's inner addresses, each of which is probed. Without it they are the gateway of the
      routes, or the other host of a /30 or /31.
    type: list
    elements: str
  multicast:
    description: Set the flag MULTICAST, for routing daemons.
    type: bool
  ignore_df:
    description: Fragment what is too large, whatever its DF bit says.
    type: bool
  checksum:
    description: GRE checksums in both directions.
    type: bool
  sequence:
    description: GRE sequence numbers in both directions.
    type: bool
  key:
    description:
      - The key of both directions, a 32-bit number, in decimal, with C(0x), or as a dotted quad, or C(none).
      - It is no secret, each packet carries it in clear.
    type: str
  input_key:
    description: The key that received packets must carry.
    type: str
  output_key:
    description: The key that sent packets carry.
    type: str
  no_pmtud:
    description: Turn path MTU discovery off. It needs C(ttl=inherit).
    type: bool
  ttl:
    description: The outer TTL, 1 to 255, or C(inherit).
    type: str
  tos:
    description: The outer TOS, 0 to 255, or C(inherit).
    type: str
  mtu:
    description: The device's MTU in bytes, or C(auto) to compute it from the route to the far end.
    type: str
  parent:
    description: The device that the tunnel is bound to, or C(none).
    type: str
  controller:
    description: The bridge whose port the tunnel is, for C(gretap) and C(ip6gretap), or C(none).
    type: str
  mac:
    description: The device's Ethernet address, for C(gretap) and C(ip6gretap), or C(none) for the kernel's choice.
    type: str
  flags:
    description: NetworkManager's C(ip-tunnel.flags) of the IPv6 modes, with commas between them, or C(none).
    type: str
  encap_limit:
    description: The tunnel encapsulation limit of the IPv6 modes, 1 to 255, or C(none) to send none.
    type: str
  flow_label:
    description: The flow label of the IPv6 modes, 0 to 1048575.
    type: str
  routes:
    description: Routes into the tunnel, each as for C(ip route) without C(dev).
    type: list
    elements: str
  rules:
    description: Rules as for C(ip rule), that come and go with the tunnel.
    type: list
    elements: str
  snat:
    description: >-
      C(DEST=SOURCE), packets from the inner network to DEST get the source address SOURCE, or that of
      the device they leave by (C(masquerade)).
    type: list
    elements: str
  forward:
    description: Forward IPv4 packets between the tunnel and this host's networks.
    type: bool
  clamp_mss:
    description: Lower the MSS of forwarded TCP connections to fit the tunnel.
    type: bool
  zone:
    description: firewalld's zone for the tunnel, or C(none) for the default one.
    type: str
  follow:
    description: Have C(nmgre follow) look the name in I(peer) up again, and move the tunnel to its address.
    type: bool
  no_probe:
    description: Never probe the far end, also later. The tunnel remembers it.
    type: bool
  autoconnect:
    description: Have NetworkManager bring the tunnel up by itself. nmgre's default is C(true).
    type: bool
extends_documentation_fragment:
  - nmgre.gre.call
  - nmgre.gre.apply
seealso:
  - module: nmgre.gre.document
  - module: nmgre.gre.tunnel_facts
author:
  - the nmgre authors (@nmgre)
'''

EXAMPLES = r'''
- name: One end of a tunnel between two networks
  nmgre.gre.tunnel:
    name: gre1
    peer: 203.0.113.2
    addresses: [172.16.0.1/30]
    key: 42
    routes: [10.10.2.0/24]
  become: true

- name: What would change
  nmgre.gre.tunnel:
    name: gre1
    peer: 203.0.113.2
    addresses: [172.16.0.1/30]
    mtu: 1400
  check_mode: true
  diff: true
  become: true

- name: No tunnel
  nmgre.gre.tunnel:
    name: gre1
    state: absent
  become: true
'''

RETURN = r'''
tunnels:
  description: What became of the tunnel, or would become of it in check mode, as C(nmgre apply --json) tells it.
  returned: success
  type: list
  elements: dict
  contains:
    tunnel:
      description: The tunnel's name.
      type: str
      returned: always
    action:
      description: C(create), C(change), C(delete) or C(none).
      type: str
      returned: always
    before:
      description: The fields of the document before, or null for no tunnel.
      type: dict
      returned: always
    after:
      description: The fields of the document after, or null for no tunnel.
      type: dict
      returned: always
    fields:
      description: The fields that differ.
      type: list
      elements: str
      returned: always
    drift:
      description: The differences of the kernel that are mended, in words, where somebody has changed it behind the profile.
      type: list
      elements: str
      returned: when there are some
verify:
  description: The reports of C(nmgre verify --json) about what was changed. What does not pass is a warning, too.
  returned: success
  type: list
  elements: dict
notes:
  description: What nmgre tells about what it chose, such as the MTU.
  returned: success
  type: list
  elements: str
message:
  description: nmgre's error.
  returned: failure
  type: str
hints:
  description: What nmgre advises to do about the error.
  returned: failure
  type: list
  elements: str
errors:
  description: Each single error, with C(message), and where they are known C(field), C(line), and the C(text) of that line.
  returned: failure
  type: list
  elements: dict
rc:
  description: nmgre's exit code. 2 is a request that is not valid, 4 is not permitted, 5 is without NetworkManager.
  returned: failure
  type: int
'''

import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nmgre.gre.plugins.module_utils.program import APPLY, apply

# A tunnel's fields. A number is a text here, as each may be a word, too.
FIELDS = dict(
    mode=dict(type='str', choices=['gre', 'gretap', 'ip6gre', 'ip6gretap']),
    peer=dict(type='str'),
    local=dict(type='str'),
    addresses=dict(type='list', elements='str'),
    peer_addresses=dict(type='list', elements='str'),
    multicast=dict(type='bool'),
    ignore_df=dict(type='bool'),
    checksum=dict(type='bool'),
    sequence=dict(type='bool'),
    # A key is no secret. Said so, Ansible does not ask whether it is one.
    key=dict(type='str', no_log=False),
    input_key=dict(type='str', no_log=False),
    output_key=dict(type='str', no_log=False),
    no_pmtud=dict(type='bool'),
    ttl=dict(type='str'),
    tos=dict(type='str'),
    mtu=dict(type='str'),
    parent=dict(type='str'),
    controller=dict(type='str'),
    mac=dict(type='str'),
    flags=dict(type='str'),
    encap_limit=dict(type='str'),
    flow_label=dict(type='str'),
    routes=dict(type='list', elements='str'),
    rules=dict(type='list', elements='str'),
    snat=dict(type='list', elements='str'),
    forward=dict(type='bool'),
    clamp_mss=dict(type='bool'),
    zone=dict(type='str'),
    follow=dict(type='bool'),
    no_probe=dict(type='bool'),
    autoconnect=dict(type='bool'),
)


def document(params):
    """Returns the document with the one tunnel. JSON is YAML, a field a line."""
    tunnel = dict(name=params['name'], state=params['state'])
    for option in FIELDS:
        if params[option] is not None:
            tunnel[option.replace('_', '-')] = params[option]
    # The name keeps `nmgre apply --prune` of a document without one from deleting the tunnel.
    return json.dumps(dict(name='ansible', tunnels=[tunnel]), indent=1, sort_keys=True)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            FIELDS,
            name=dict(type='str', required=True),
            state=dict(type='str', choices=['present', 'absent'], default='present'),
            **APPLY
        ),
        mutually_exclusive=[('key', 'input_key'), ('key', 'output_key')],
        required_if=[('state', 'present', ('peer',))],
        required_by=dict(peer_addresses='addresses'),
        supports_check_mode=True,
    )
    module.exit_json(**apply(module, document(module.params), []))


if __name__ == '__main__':
    main()
