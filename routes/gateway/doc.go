// Package gateway is the kernel's treatment of packets: SNAT and MSS rules in nftables tables of
// nmgre's own, the switches for forwarding, and the rules of other programs that drop forwarded
// packets, or drop or rewrite the outer packets of a tunnel. It implements [keep.Gateway].
//
// It changes only nftables tables with the name nmgre, of the families ip, ip6 and inet. It opens
// sockets when they are needed, in the network namespace of the calling thread.
//
// Begin at [Gateway]; rules.go encodes nmgre's rules, obstacles.go and outer.go look for those of
// others, and walk.go takes packets through them.
package gateway
