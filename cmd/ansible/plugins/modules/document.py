#!/usr/bin/python
# Copyright (c) 2026 the nmgre authors
# SPDX-License-Identifier: MIT

DOCUMENTATION = r'''
module: document
short_description: Make, change and remove GRE tunnels as a document of nmgre wants them
version_added: 0.1.0
description:
  - Has C(nmgre apply) carry out a document, all of it or none of it, over all tunnels. A second time
    it changes nothing.
  - The document has the tunnels of one host, or named hosts and the links between them. nmgre itself
    allots keys and inner addresses to the links, on each host the same ones.
options:
  document:
    description:
      - The document, as nmgre reads it. C(nmgre apply --help) shows one, C(nmgre apply --schema) prints
        its JSON Schema.
      - It is a mapping, or a text, such as that of a file. nmgre's errors name the lines of the text.
    type: raw
    required: true
  host:
    description:
      - Which host of the document this one is. Without it nmgre looks for the host's name.
      - It is for a document that has hosts.
    type: str
  prune:
    description:
      - Delete the tunnels that were made from the document and are no longer in it.
      - The document's C(name) tells several documents for one host apart.
    type: bool
    default: false
extends_documentation_fragment:
  - nmgre.gre.call
  - nmgre.gre.apply
seealso:
  - module: nmgre.gre.tunnel
author:
  - the nmgre authors (@nmgre)
'''

EXAMPLES = r'''
- name: The tunnels of a file
  nmgre.gre.document:
    document: "{{ lookup('file', 'tunnels.yaml') }}"
    prune: true
  become: true

- name: A star
  nmgre.gre.document:
    host: "{{ inventory_hostname }}"
    document:
      name: star
      hosts:
        paris: {outer: 192.0.2.1, networks: [10.1.0.0/24]}
        rome: {outer: 192.0.2.2, networks: [10.2.0.0/24]}
        oslo: {outer: 192.0.2.3, networks: [10.3.0.0/24]}
      pool: 172.31.0.0/16
      key-pool: 1-65535
      links:
        - star: paris
  become: true
'''

RETURN = r'''
tunnels:
  description: What became of each tunnel, or would become of it in check mode, as C(nmgre apply --json) tells it.
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


def main():
    module = AnsibleModule(
        argument_spec=dict(
            document=dict(type='raw', required=True),
            host=dict(type='str'),
            prune=dict(type='bool', default=False),
            **APPLY
        ),
        supports_check_mode=True,
    )
    text = module.params['document']
    if isinstance(text, dict):
        # The order is the caller's: a host that is added last moves no other link.
        text = json.dumps(text, indent=1)
    elif not isinstance(text, str):
        module.fail_json(msg='document: it is a %s; give a mapping, or the text of a document' % type(text).__name__)
    args = []
    if module.params['host'] is not None:
        args += ['--host', module.params['host']]
    if module.params['prune']:
        args.append('--prune')
    module.exit_json(**apply(module, text, args))


if __name__ == '__main__':
    main()
