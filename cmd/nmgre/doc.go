// Command nmgre makes GRE tunnels on hosts that NetworkManager runs, and proves that they carry
// traffic.
//
// Each command has a file of its own: it reads the flags, calls a verb of package nmgre and prints
// the result. Only package adapters below it knows nm/dbus, routes/netlink and the others that
// touch the host. Begin with main.go, which connects the adapters to the verbs, and create.go, the
// longest way through all of it.
//
// The rules of the interface: data goes to standard output, everything else to standard error. An
// error begins with "nmgre: ", and each remedy has a line of its own that begins with "hint: ";
// both are in lower case and without a full stop. JSON fields, flags and exit codes are a contract:
// new ones are added, and none is ever changed.
package main
