// Package kernel has the questions to the host's kernel about links, routes and probes: the types
// and one interface, [Kernel], which package netlink implements. It is pure.
package kernel
