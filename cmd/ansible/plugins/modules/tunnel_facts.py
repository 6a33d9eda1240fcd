#!/usr/bin/python
# Copyright (c) 2026 the nmgre authors
# SPDX-License-Identifier: MIT

DOCUMENTATION = r'''
module: tunnel_facts
short_description: Tell which GRE tunnels a host has, and whether they carry traffic
version_added: 0.1.0
description:
  - Sets the fact C(nmgre) from C(nmgre list) and C(nmgre export), and with I(verify) from C(nmgre verify --all).
  - It changes nothing.
options:
  verify:
    description:
      - Prove each tunnel, by packets to its far end.
      - What does not pass is in C(failed_tunnels), and is a warning.
    type: bool
    default: false
  strict:
    description: Fail if a tunnel does not carry traffic. It needs I(verify).
    type: bool
    default: false
extends_documentation_fragment:
  - nmgre.gre.call
attributes:
  check_mode:
    description: Can run in check mode, without changing the host.
    support: full
  diff_mode:
    description: There is never a difference.
    support: none
  facts:
    description: Returns C(ansible_facts).
    support: full
  platform:
    description: Linux with NetworkManager 1.42 or newer.
    platforms: linux
    support: full
notes:
  - Without root some of what the kernel has cannot be looked at. Use C(become=true).
seealso:
  - module: nmgre.gre.tunnel
author:
  - the nmgre authors (@nmgre)
'''

EXAMPLES = r'''
- name: Which tunnels there are
  nmgre.gre.tunnel_facts:
  become: true

- name: Their far ends
  ansible.builtin.debug:
    msg: "{{ ansible_facts.nmgre.tunnels | map(attribute='remote') | list }}"

- name: Each tunnel is to carry traffic
  nmgre.gre.tunnel_facts:
    verify: true
    strict: true
  become: true
'''

RETURN = r'''
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    nmgre:
      description: What nmgre knows of the host.
      type: dict
      returned: success
      contains:
        version:
          description: nmgre's version.
          type: str
          returned: success
        tunnels:
          description: Each tunnel, as C(nmgre list --json) has it, with C(name), C(interface), C(mode), C(remote), C(state) and more.
          type: list
          elements: dict
          returned: success
        document:
          description: The document of the tunnels, of C(nmgre export), a text in YAML.
          type: str
          returned: success
        verify:
          description: The report of each tunnel, as C(nmgre verify --json) has it.
          type: list
          elements: dict
          returned: with verify
failed_tunnels:
  description: The names of the tunnels that do not carry traffic.
  returned: with verify
  type: list
  elements: str
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nmgre.gre.plugins.module_utils.program import CALL, Program, warn

# The exit code of `nmgre verify` that found a fault.
FOUND_FAULT = 3


def facts(program, verify):
    """Returns the facts of the host."""
    found = dict(
        version=program.json(['version'])['version'],
        tunnels=program.json(['list']),
        document=program.text(['export']),
    )
    if verify:
        found['verify'] = reports(program) if found['tunnels'] else []
    return found


def reports(program):
    """Returns the report of each tunnel."""
    return program.json(['verify', '--all'], good=(0, FOUND_FAULT))['reports']


def reason(report):
    """Says why a tunnel does not carry traffic: its first check that fails."""
    for check in report['checks']:
        if check['status'] == 'fail':
            hint = '; hint: ' + check['hint'] if check['hint'] else ''
            return '%s: %s%s' % (report['tunnel'], check['summary'], hint)
    return report['tunnel'] + ' does not carry traffic'


def main():
    module = AnsibleModule(
        argument_spec=dict(
            CALL,
            verify=dict(type='bool', default=False),
            strict=dict(type='bool', default=False),
        ),
        supports_check_mode=True,
    )
    verify = module.params['verify']
    found = facts(Program(module), verify)
    result = dict(ansible_facts=dict(nmgre=found))
    if verify:
        warn(module, found['verify'])
        failed = [one for one in found['verify'] if one['verdict'] == 'fail']
        result['failed_tunnels'] = [one['tunnel'] for one in failed]
        if failed and module.params['strict']:
            module.fail_json(msg='. '.join(reason(one) for one in failed), **result)
    module.exit_json(**result)


if __name__ == '__main__':
    main()
