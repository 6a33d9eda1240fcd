// Package ansible is the Ansible collection nmgre.gre: the other face of the verbs, for many hosts.
// Its modules call nmgre on each host, and decide nothing themselves. [Files] has all of it, for
// the packages and for the tests.
//
// plugins/modules has the modules tunnel, document and tunnel_facts, and plugins/module_utils their
// common part: the call of nmgre, and its errors. roles/mesh links the hosts of an inventory;
// plugins/filter writes the document for that.
package ansible

import "embed"

// Files is the collection as it is installed, below ansible_collections/nmgre/gre.
//
//go:embed LICENSE README.md galaxy.yml meta plugins roles
var Files embed.FS
