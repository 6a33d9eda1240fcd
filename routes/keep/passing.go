package keep

import "net/netip"

// Passing is a packet that one of nmgre's SNAT rules is for, on its way out of this host.
type Passing struct {
	Rule     Rule
	From, To netip.Addr // From is in Rule.Inner, To in Rule.SNAT.Dst
	// In is the device by which it came in; empty for a packet of this host itself. Out is the one
	// by which it leaves.
	In, Out string
	Echo    bool // it is an ICMP echo request; otherwise its protocol is not known
}

// Translations tells how the NAT rules of this host change the source of such packets.
type Translations struct {
	// Others are the rules of other programs that give them another source than Rule does, in the
	// order in which packets pass them. The kernel carries out the first NAT rule that matches a
	// connection. Those behind nmgre's chain are left out. Of two chains of one priority packets
	// pass the one that was made later first; which one that is, is not sure.
	Others []OuterRewrite
	// Sources are the addresses that packets from From to To have got, by the connection tracking,
	// each once. It is empty where no connection is known.
	Sources []netip.Addr
}
