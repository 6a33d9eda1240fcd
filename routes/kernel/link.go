package kernel

import (
	"net/netip"
	"slices"

	"nmgre/routes/gre"
)

// Link is a network device.
type Link struct {
	Index int
	Name  string
	Kind  string // the kernel's word, such as "gre" or "veth"; empty for hardware
	Up    bool   // administratively up; says nothing about the far end
	MTU   int    // in bytes

	// with the length of their network; of an address with a peer, the address
	Addresses []netip.Prefix
	GRE       *GRELink // set for the GRE modes only
	Counters  Counters
}

// GRELink is what the kernel holds of a GRE device.
type GRELink struct {
	Mode                gre.Mode
	Local, Remote       netip.Addr // unspecified for any
	Parent              int        // index of the device that it is bound to; 0 for none
	InputKey, OutputKey *gre.Key
	TTL, TOS            uint8
	PMTUD               bool
	EncapLimit          uint8     // IPv6 modes; meaningless with FlagIgnEncapLimit
	FlowLabel           uint32    // IPv6 modes
	Flags               gre.Flags // IPv6 modes, those of them that the kernel has
	Checksum, Sequence  bool      // in either direction: NetworkManager cannot hold them
	// collects its metadata from routes or a bridge: no tunnel of two ends
	External bool
}

// Counters are the kernel's counters of a device (IFLA_STATS64).
type Counters struct {
	RxPackets, TxPackets, RxBytes, TxBytes uint64
	RxErrors, TxErrors, RxDropped          uint64
	TxDropped                              uint64 // refused on this host after encapsulation
	// no route to the far end, or the local address is not on this host
	TxCarrierErrors uint64
	// the route to the far end leads through the tunnel itself
	Collisions   uint64
	RxCRCErrors  uint64 // the far end's checksum option differs
	RxFIFOErrors uint64 // out of sequence
}

// Named returns the link with that name, nil if there is none.
func Named(links []Link, name string) *Link {
	i := slices.IndexFunc(links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return &links[i]
}

// Holding returns the link that has the address a, nil if none has.
func Holding(links []Link, a netip.Addr) *Link {
	i := slices.IndexFunc(links, func(l Link) bool {
		return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
	})
	if i < 0 {
		return nil
	}
	return &links[i]
}

// Since returns how far the counters have moved since before.
func (c Counters) Since(before Counters) Counters {
	return Counters{
		RxPackets: c.RxPackets - before.RxPackets, TxPackets: c.TxPackets - before.TxPackets,
		RxBytes: c.RxBytes - before.RxBytes, TxBytes: c.TxBytes - before.TxBytes,
		RxErrors: c.RxErrors - before.RxErrors, TxErrors: c.TxErrors - before.TxErrors,
		RxDropped: c.RxDropped - before.RxDropped, TxDropped: c.TxDropped - before.TxDropped,
		TxCarrierErrors: c.TxCarrierErrors - before.TxCarrierErrors, Collisions: c.Collisions - before.Collisions,
		RxCRCErrors: c.RxCRCErrors - before.RxCRCErrors, RxFIFOErrors: c.RxFIFOErrors - before.RxFIFOErrors,
	}
}
