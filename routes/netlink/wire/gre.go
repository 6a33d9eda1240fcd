package wire

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// Attributes of the GRE kinds (linux/if_tunnel.h): IFLA_GRE_LINK, IFLA_GRE_IFLAGS, and so on.
const (
	greLink       = 1
	greInFlags    = 2
	greOutFlags   = 3
	greInKey      = 4
	greOutKey     = 5
	greLocal      = 6
	greRemote     = 7
	greTTL        = 8
	greTOS        = 9
	grePMTUDisc   = 10
	greEncapLimit = 11
	greFlowInfo   = 12
	greFlags      = 13
	greCollectMD  = 18
	greIgnoreDF   = 19
)

// Bits of the GRE header's first word, in greInFlags and greOutFlags (RFC 2890).
const (
	bitChecksum = 0x8000
	bitKey      = 0x2000
	bitSequence = 0x1000
)

// Parts of an IPv6 header's first word (RFC 8200).
const (
	flowLabelMask  = 0x000fffff
	trafficClassAt = 20
)

// knownFlags are the bits of IFLA_GRE_FLAGS that NetworkManager has names for: IP6_TNL_F_... of
// linux/ip6_tunnel.h, with the numbers of NMIPTunnelFlags. The kernel has other bits too:
// IP6_TNL_F_ALLOW_LOCAL_REMOTE (0x40), and from 0x10000 on its findings about the addresses.
const knownFlags = gre.FlagIgnEncapLimit | gre.FlagUseOrigTClass | gre.FlagUseOrigFlowLabel |
	gre.FlagMIP6Dev | gre.FlagRcvDSCPCopy | gre.FlagUseOrigFwmark

// greData is a GRE device while its attributes are read.
type greData struct {
	Reader
	link              kernel.GRELink
	family            uint8
	inFlags, outFlags uint16
	inKey, outKey     gre.Key
	flowInfo          uint32
}

// ParseGRE reads the attributes (IFLA_INFO_DATA) of a GRE device. The caller takes the mode from
// the kind that the kernel reports (IFLA_INFO_KIND): the addresses do not tell it, because a tunnel
// from any address has none. ParseGRE fails with [ErrMalformed].
func ParseGRE(mode gre.Mode, data []byte) (*kernel.GRELink, error) {
	g := greData{link: kernel.GRELink{Mode: mode, Local: netip.IPv4Unspecified(), Remote: netip.IPv4Unspecified()}, family: unix.AF_INET}
	if mode.IPv6Outer() {
		// The IPv6 modes have no attribute for path MTU discovery: routers never fragment IPv6, so
		// it is always on.
		g.link.Local, g.link.Remote, g.link.PMTUD = netip.IPv6Unspecified(), netip.IPv6Unspecified(), true
		g.family = unix.AF_INET6
	}
	if err := EachAttribute(data, g.take); err != nil {
		return nil, err
	}
	return g.finish()
}

func (g *greData) take(kind uint16, v []byte) error {
	switch kind {
	case greLink:
		g.link.Parent = g.Int(v)
	case greInFlags:
		g.inFlags = g.be16(v)
	case greOutFlags:
		g.outFlags = g.be16(v)
	case greInKey:
		g.inKey = gre.Key(g.be32(v))
	case greOutKey:
		g.outKey = gre.Key(g.be32(v))
	case greLocal:
		g.link.Local = g.Addr(g.family, v)
	case greRemote:
		g.link.Remote = g.Addr(g.family, v)
	case greTTL:
		g.link.TTL = g.uint8(v)
	case greCollectMD:
		g.link.External = true
	default:
		g.takeOwn(kind, v)
	}
	return g.Err
}

// takeOwn reads the attributes that only one family of modes has.
func (g *greData) takeOwn(kind uint16, v []byte) {
	v6 := g.family == unix.AF_INET6
	switch {
	case kind == greTOS && !v6:
		g.link.TOS = g.uint8(v)
	case kind == grePMTUDisc && !v6:
		g.link.PMTUD = g.uint8(v) != 0
	case kind == greIgnoreDF && !v6:
		g.link.IgnoreDF = g.uint8(v) != 0
	case kind == greEncapLimit && v6:
		g.link.EncapLimit = g.uint8(v)
	case kind == greFlowInfo && v6:
		g.flowInfo = g.be32(v)
	case kind == greFlags && v6:
		g.link.Flags = gre.Flags(g.Uint32(v)) & knownFlags
	}
}

// finish combines the values that stand in two attributes. A bit of the flags tells whether there
// is a key: key 0 is a key.
func (g *greData) finish() (*kernel.GRELink, error) {
	link := g.link
	if g.inFlags&bitKey != 0 {
		link.InputKey = &g.inKey
	}
	if g.outFlags&bitKey != 0 {
		link.OutputKey = &g.outKey
	}
	link.Checksum = (g.inFlags|g.outFlags)&bitChecksum != 0
	link.Sequence = (g.inFlags|g.outFlags)&bitSequence != 0
	link.OneWay = (g.inFlags^g.outFlags)&(bitChecksum|bitSequence) != 0
	if g.family == unix.AF_INET6 {
		link.FlowLabel = g.flowInfo & flowLabelMask
		link.TOS = uint8(g.flowInfo >> trafficClassAt)
	}
	return &link, g.Err
}
