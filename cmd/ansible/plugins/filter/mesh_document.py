# Copyright (c) 2026 the nmgre authors
# SPDX-License-Identifier: MIT
"""Writes the document of a mesh from an inventory. What it means is nmgre's to decide."""

DOCUMENTATION = r'''
name: mesh_document
short_description: The document of nmgre for a mesh of the inventory's hosts
version_added: 0.1.0
description:
  - Takes the names of hosts, in the order of the inventory, and returns the document that the module
    C(nmgre.gre.document) applies. The role C(nmgre.gre.mesh) calls it.
  - Of each host it reads the variables C(mesh_outer), or else C(ansible_host), or else its name;
    C(mesh_local), C(mesh_networks), C(mesh_settings), C(mesh_tunnels) and C(mesh_state).
options:
  _input:
    description: The names of the hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's own variable of that name.
    type: dict
    required: true
  star:
    description: The hub of a star of all hosts, or several.
    type: list
    elements: str
  full:
    description: Whether all hosts are linked with each other, or a list of those that are.
    type: raw
  pairs:
    description: Pairs of hosts that are linked, each a list of two names.
    type: list
    elements: list
  links:
    description: More entries of the document's C(links).
    type: list
    elements: dict
  settings:
    description: The document's other fields, such as C(pool), C(key-pool), C(defaults) and C(name).
    type: dict
'''

EXAMPLES = r'''
document: >-
  {{ groups['mesh'] | nmgre.gre.mesh_document(hostvars, star='paris', settings={'pool': '172.31.0.0/16'}) }}
'''

RETURN = r'''
_value:
  description: The document.
  type: dict
'''

from ansible.errors import AnsibleFilterError

TRUE = (True, 'true', 'True', 'yes', 'all')
FALSE = (None, False, 'false', 'False', 'no', '')

# A host's fields in the document, by the variables that they come from.
OWN = (('local', 'mesh_local'), ('networks', 'mesh_networks'), ('tunnels', 'mesh_tunnels'))


def listed(value):
    """A list, of a list or of a text with commas, as an INI inventory has it."""
    if value in FALSE:
        return []
    if isinstance(value, str):
        return [one.strip() for one in value.split(',') if one.strip()]
    if isinstance(value, (list, tuple)):
        return list(value)
    raise AnsibleFilterError('mesh: %r is no list' % (value,))


def one_of(name, known, variable):
    """A variable of a host, or None."""
    value = known.get(variable)
    if isinstance(value, str) and '{{' in value:
        raise AnsibleFilterError('mesh: the host %s: %s is not defined: %s' % (name, variable, value))
    return value


def host(name, known):
    """A host of the document."""
    entry = dict(one_of(name, known, 'mesh_settings') or {})
    entry['outer'] = one_of(name, known, 'mesh_outer') or one_of(name, known, 'ansible_host') or name
    for field, variable in OWN:
        value = one_of(name, known, variable)
        if value is not None:
            entry[field] = value if field in ('local', 'tunnels') else listed(value)
    return entry


def joined(names, gone, star, full, pairs, links):
    """The links of the document. A host that is gone has none, and what it had is deleted."""
    stay = [name for name in names if name not in gone]
    result = [dict(star=name, state='absent') for name in gone]
    for hub in listed(star):
        if hub not in gone:
            result.append(dict(star=hub, hosts=stay) if gone else dict(star=hub))
    if full in TRUE:
        result.append(dict(full=stay if gone else 'all'))
    elif listed(full):
        result.append(dict(full=[name for name in listed(full) if name not in gone]))
    for pair in pairs or []:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise AnsibleFilterError('mesh: mesh_pairs has %r; write it as [[paris, rome], [rome, oslo]]' % (pair,))
        if not set(pair) & set(gone):
            result.append(dict(between=list(pair)))
    return result + [link for link in links or [] if not set(listed(link.get('between'))) & set(gone)]


def mesh_document(names, hostvars, star=None, full=None, pairs=None, links=None, settings=None):
    """Returns the document for the hosts."""
    names = list(names)
    if not names:
        raise AnsibleFilterError('mesh: the inventory has no hosts for it; put them into the group mesh, or name another one as mesh_group')
    if star in FALSE and full in FALSE and not pairs and not links:
        raise AnsibleFilterError('mesh: nothing says who is linked; give mesh_star: HUB, mesh_full: true, mesh_pairs: [[ONE, OTHER]], or mesh_links')
    gone = [name for name in names if one_of(name, hostvars[name], 'mesh_state') == 'absent']
    document = dict((field, value) for field, value in (settings or {}).items() if value not in (None, '', {}))
    document['hosts'] = dict((name, host(name, hostvars[name])) for name in names)
    if len(gone) == len(names):  # the whole mesh is, and its links say so
        document['links'] = [dict(link, state='absent') for link in joined(names, [], star, full, pairs, links)]
    else:
        document['links'] = joined(names, gone, star, full, pairs, links)
    return document


class FilterModule:
    """The filters of the collection."""

    def filters(self):
        return dict(mesh_document=mesh_document)
