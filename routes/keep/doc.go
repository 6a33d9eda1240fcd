// Package keep has the part of a tunnel that NetworkManager cannot hold: the routes, SNAT rules and
// forwarding of a tunnel that root keeps in a file of its own, and the keeper that makes the kernel
// have them. It changes nothing by itself: the kernel, nftables and
// the files are behind the interfaces [kernel.Kernel], [Gateway] and [Store]. Begin with [Kept],
// then [LocalKeeper].
package keep
