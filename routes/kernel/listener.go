package kernel

import (
	"context"
	"net/netip"

	"nmgre/routes/gre"
)

// Listener hears the packets and errors beside a tunnel's own device; package routes/evidence
// implements it.
type Listener interface {
	// Listen begins to listen to the packets of one tunnel. It ends with ctx, or with
	// [Listening.Stop], which must be called. It does not fail for want of privileges: [Heard.Deaf]
	// has the kinds of packets that it cannot hear.
	Listen(ctx context.Context, to Ends) (Listening, error)
	// Together returns a listener for these tunnels only, which several goroutines may use at once.
	// Its listenings share their sockets. A packet that belongs to another one of the tunnels is
	// not heard. closeAll ends it, and every listening.
	Together(all []Ends) (shared Listener, closeAll func())
}

// Ends says which packets to listen to: IP protocol 47 between the two outer addresses, and from
// other senders to Local.
type Ends struct {
	Mode   gre.Mode
	Local  netip.Addr // the zero or the unspecified Addr for any address of this host
	Remote netip.Addr
	// Dev is the device by which packets to Remote leave; empty for every device. Those that come
	// in are heard at every device.
	Dev string
	// Key is the key that the tunnel sends; nil for none. It decides about [Listening.Refused]
	// only: the packets of other tunnels between the two are heard as well.
	Key *gre.Key
	// InputKey is the key that the tunnel expects; nil for none. It counts only where many tunnels
	// are listened to together: there it says whose packets are whose.
	InputKey *gre.Key
}

// Listening is a [Listener] at work.
type Listening interface {
	// Refused is closed when an ICMP error about a packet of this tunnel has come in: from Local to
	// Remote, with its key as far as the error quotes it. An error that says that a packet is too
	// big does not count: smaller ones get through.
	Refused() <-chan struct{}
	// Stop ends the listening, and returns all that it has heard. Later calls return the same.
	Stop() Heard
}

// Heard has the packets and errors that were heard beside a tunnel's device. Everything in it but
// the counters comes from the network and is hostile.
type Heard struct {
	// Sent are GRE packets as they left this host, behind its own firewall and NAT. Arrived are
	// those that came in, before its firewall. Accepted are those that came through its firewall,
	// whether a tunnel takes them or not.
	Sent, Arrived, Accepted []Packet
	Errors                  []ICMPError
	// More says that packets or errors may be missing that are unlike all that are kept: a list is
	// full, with 256, or the kernel dropped some that were not read in time. Of packets with the
	// same outer addresses, key and flags 64 are kept, 8 of them between the same inner addresses;
	// that there were others like them is not said.
	More     bool
	Counters HostCounters // while it was listened
	// Deaf are the kinds of packets, or the counters, that could not be heard, with the reasons.
	Deaf []Deaf
}

// The kinds of packets that are heard, and the counters. All but the counters take CAP_NET_RAW.
const (
	HearsSent     = "GRE packets on the way out"
	HearsArrived  = "GRE packets on the way in"
	HearsAccepted = "GRE packets that come through the firewall"
	HearsErrors   = "ICMP errors about GRE packets"
	HearsCounters = "the kernel's counters"
)

// Deaf is a kind of packets, or the counters, that could not be heard.
type Deaf struct {
	What string // one of the constants above
	Err  error  // of the kind ErrNotPermitted for want of privileges
}

// Packet is the headers of a GRE packet.
type Packet struct {
	From, To netip.Addr // outer
	TTL      uint8      // outer; the hop limit of IPv6
	Index    int        // of the device by which it came in; 0 where that is not known
	Bytes    int        // of the whole outer packet, by its own header
	// Cut says that the end of the GRE header is not there, and with it perhaps the key. An ICMP
	// error may quote no more than 8 bytes of it.
	Cut bool
	gre.Header
}

// ToNeighbours says whether the packet carries one for neighbours only, as those of MLD and of many
// routing protocols are: they go out with a TTL of 1, which a tunnel may inherit.
func (p Packet) ToNeighbours() bool { return p.InnerTo.IsMulticast() }

// ICMPError is an ICMP or ICMPv6 error about a packet to the far end.
type ICMPError struct {
	By         netip.Addr // who sent it
	Type, Code uint8      // of ICMPv6 if By is an IPv6 address
	MTU        int        // in bytes, of "fragmentation needed" and "packet too big"; else 0
	Quoted     Packet     // the packet that it is about, as far as it is quoted
}

// HostCounters are counters of the whole host (/proc/net/netstat and /proc/net/snmp). Those of
// IPsec (/proc/net/xfrm_stat) are 0 on kernels that do not have them.
type HostCounters struct {
	ReversePathFilter uint64 // TcpExt:IPReversePathFilter
	InAddrErrors      uint64 // Ip:InAddrErrors
	IPsecOutNoState   uint64 // XfrmOutNoStates
	IPsecOutBlocked   uint64 // XfrmOutPolBlock
	IPsecInBlocked    uint64 // XfrmInPolBlock
	// XfrmInTmplMismatch and XfrmInNoPols: packets without the protection that a policy demands,
	// and protected ones without a policy
	IPsecInRefused uint64
}
