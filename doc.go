// Package nmgre has the verbs: create, edit, change routes, up, down, delete, list, show, verify
// and watch. Each does all of its work or none of it. A [Host] carries them out on one host.
//
// # The house
//
// nmgre is a tower. A room uses the rooms below it, never those above.
//
//	cmd/nmgre   the command line: one file a command, and the wiring of everything
//	  tui       the screens: a live view, the wizard, and --plain
//	    .       this package: the verbs
//	      nm    NetworkManager's words: a tunnel, a profile, the owner of a route
//	        routes   the kernel's words: the language of `ip route`
//
// Outside, a room is pure: data, parsing and decisions on the standard library. Code that touches
// the host is one room further in.
//
//	cmd/nmgre/term  the person's terminal: modes, size, typed lines; foreign has import,
//	                adopt and --as, apply the commands about documents, shells the completion; output
//	                prints the answers, calls tells of each call to the host, progress of long
//	                work; suggest knows the words of other programs; values reads the values of
//	                flags, lists files of routes and rules, routing has the commands about
//	                them; checkup reads a whole host for nm/doctor
//	cmd/ansible     the Ansible collection: modules that call nmgre, and the role for a mesh
//	cmd/nmgre/manual     the pages of the manual that are about a subject, and help; printed
//	                writes the manual for man and for browsers
//	cmd/nmgre/around  the program around the commands in rooms of their own
//	cmd/nmgre/far   both ends of a tunnel at once; ssh runs OpenSSH, follow moves tunnels after names
//	cmd/nmgre/adapters   wires the doors of a host together; screens is the host for the screens
//	                screens/remember has the choices of the person at the screens
//	tui/far         the far end in a notation that the person chooses; steps is the log of steps;
//	                rates measures a tunnel's traffic, and draws it
//	cmd/nmgre/release    the version, and the commit that it was built from; packaging is the tool that
//	                makes packages, their licences and changelogs, and names the linked modules
//	tui/way         the picture of a tunnel's way: how far it works, where it breaks, the repair
//	tui/wizard      the wizard; answers are its fields, form and draw its parts;
//	                facts compare a profile with its link
//	nm/opposite     the tunnel that the far end has to make, with this host's networks and link
//	nm/policy       rules of the routing policy: their places, their owners, loops; metric chooses
//	                the metrics of default routes
//	nm/nmcli        writes nmcli's lines that do the same
//	nm/plan         decides everything about a change, and changes nothing
//	nm/clash        finds what is in a tunnel's way on its host: names, networks, other tunnels
//	nm/ends         checks the ends against the host: the firewall's zone, a leased address
//	nm/adopt        decides how a tunnel made by hand becomes a profile, and takes it over
//	nm/resolve      chooses the far end's address among those that its name stands for
//	nm/vet          checks the routes and rules that a user without root asks root to keep
//	nm/advice       the notes that a plan gives about its decisions; doctor judges a host
//	nm/find         finds a tunnel among the profiles by the name that a person gives it
//	nm/crowd        takes the steps of very many tunnels together; cut knows whether a change cuts
//	                off the person's own connection
//	nm/undo         gives an undo its time, in which a restart of NetworkManager does not count,
//	                and looks after root's part of it
//	nm/pair         the messages of two hosts about both ends, and the conclusions from them
//	nm/port         finds the bridge whose port a tunnel is to be, and judges whether it forwards
//	nm/notation     one model of both ends, and the limits of each notation; own, linux, netplan
//	                and router have the notations, one file each, every lists them; shell splits
//	                scripts, iproute reads the commands in them, importer makes tunnels
//	                of an input
//	nm/document     the one document: YAML with tunnels, or links between hosts; its JSON Schema
//	nm/mesh         who is linked with whom in a star or a full mesh, and the network of each pair
//	nm/reconcile    the tunnels to make, change and delete for a document's sake
//	nm/states       tells the state of a tunnel: its link, and which routes and rules are set
//	nm/notice       makes few notices of many events
//	nm/whole        makes sure that a tunnel that is up is whole, and that its far end is reachable
//	nm/weights      finds out how routes with a weight leave the profiles
//	nm/verify       proves a tunnel: checks, verdicts, the report; cause names a fault by the
//	                evidence, place has the places of its way, behind asks hosts behind the far
//	                end, pathmtu measures how large a packet gets through, underlay looks for the
//	                way to the far end, snat tries SNAT rules, fleet verifies many tunnels
//	                together, manual writes the causes for the manual page, kinds has the kinds of
//	                checks, differ compares a tunnel with its link, apart looks for firewalls
//	                between a LAN and a tunnel, words puts keys and packets into words
//	nm/dbus         NetworkManager over D-Bus; socket is the connection, wire encodes its settings,
//	                bulk reads very many, applied compares a profile with its device, quirk tells
//	                NetworkManager's versions apart, systemd has systemd learn of nmgre's unit,
//	                firewalld asks for the zone of a device, census asks who is on the bus, again
//	                repeats a call that NetworkManager refused for want of an answer of the bus,
//	                keyfiles reads tunnels' names from NetworkManager's files, seen
//	                remembers the paths of its objects, refusal tells errors apart, failure says
//	                what to do about them, message reads the parts of messages
//	routes/fault    errors that say what to do; text that is safe to show
//	routes/gre      the GRE header: key, mode, flags, MTU
//	routes/packet   the headers of IP packets from the network
//	routes/rule     the language of `ip rule`
//	routes/plain    the commonest words of both languages, read fast; ident knows UUIDs and names
//	routes/list     very many routes: files of them, an index, a set
//	routes/kernel   the questions to a kernel, and the types of its answers
//	routes/keep     root's part of a tunnel, and the keeper that carries it out; format is the text
//	                of its file
//	routes/netlink  the kernel over rtnetlink; wire and policy have the bytes of its messages, events
//	                makes few events of its notifications, ipsec reads policies of IPsec, byhand
//	                reads and restores a link made by hand
//	routes/echo     ICMP echoes out of one device
//	routes/evidence listens beside a tunnel: GRE packets out and in, ICMP errors, counters
//	routes/gateway  forwarding, SNAT rules in nftables, and the rules of other programs; conntrack
//	                has the kernel's connections, ruleset reads rules, registers and sets have
//	                their values, removals watches rules go, sysctl has the settings of devices,
//	                legacy tells of iptables-legacy, owners whose the tables are, byhand reads
//	                SNAT made by hand, blocked words the ways that a firewall drops, firewalls
//	                has the commands of firewall programs that let packets through
//	routes/store    root's files below /etc/nmgre, and the hook; modules, host read the host's files
//	routes/asroot   the helper that polkit starts for a caller without root
//	routes/journal  the line in the system's log about root's work for others
//
// # Where do I find ...
//
//   - a flag of create: cmd/nmgre/create.go
//   - the steps of create, in order: create.go; of edit: edit.go; of a change of routes: change.go
//   - the undo of all three: undo.go; of a document: apply.go
//   - how routes with a weight leave the profiles: nm/weights; changes of several tunnels as
//     one, with a leader who decides for all: together.go
//   - the work of the hook, and how it goes on after errors: routes/keep/converge.go
//   - a word of `ip route`: routes/words.go; of `ip rule`: routes/rule/words.go
//   - the reason why a route is root's and not the profile's: nm/owner.go
//   - the command for the far end: nm/farend.go, and nm/opposite with this host's networks
//   - a notation: nm/notation/linux and router; its limits: its Holds; how a line of an
//     input is read: the same file, or nm/notation/iproute
//   - a field of a document: nm/document/fields.go; of Ansible's module:
//     cmd/ansible/plugins/modules/tunnel.py
//   - a rule about the fields of a tunnel: nm/validate.go and nm/inner.go
//   - the notes in a profile's user data: nm/ends.go
//   - a reason why this host cannot have a tunnel: nm/clash, and nm/plan/preflight.go
//   - an option of the link that NetworkManager cannot hold: routes/gre/options.go; who sets it:
//     routes/keep/links.go
//   - a check of verify: nm/verify/link.go, device.go, path.go, underlay.go, peer.go, to.go and
//     kept.go; firewalld's zone: zone.go, and nm/dbus/firewalld
//   - a cause that verify names: nm/verify/cause/setup.go, here.go, way.go, far.go, mtu.go,
//     behind.go and warnings.go
//   - the place of the way where a cause breaks it: nm/verify/place
//   - which packets verify hears, and how many are kept: routes/evidence/heard.go
//   - a quirk of a NetworkManager: nm/dbus/quirk; its workaround: nm/dbus/applied/steps.go
//   - a netlink attribute: routes/netlink/wire
//   - a fault that nmgre survives, and its test: testdata/faults.txt
//   - the words of the domain: the package documentation of nm
//
// # Doors
//
// [nm.System] holds the doors to a host: NetworkManager's profiles, the kernel, the gateway, root's
// files and the keeper, and further ones that may be missing. cmd/nmgre/adapters hangs the adapters
// into them. Tests hang a host in memory into them, testdata/fake, which prints as plain lines.
package nmgre
