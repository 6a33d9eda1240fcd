// Package netlink is the host's kernel over rtnetlink: links, routes, rules, lookups and probes.
// It implements [kernel.Kernel].
//
// Begin at [Kernel]; sync.go compares the routes, changes.go and batch.go send the difference.
//
// The messages are encoded and decoded in wire, not by the Route and Link types of the netlink
// library. Those lose values that nmgre has to verify: key 0, the encapsulation limit, and which of
// gre and ip6gre a link is. The library's handles also do not ask for the kernel's words about a
// refusal. Its package nl provides the socket and the exchange.
//
// Whatever is read is taken for hostile: lengths are checked, counts are bounded, and names are
// escaped before they appear in an error.
package netlink
