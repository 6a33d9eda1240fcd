package nm

import (
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// Encapsulation returns what the tunnel puts around a packet. NetworkManager's tunnels have neither
// checksums nor sequence numbers.
func (t Tunnel) Encapsulation() gre.Encapsulation {
	return gre.Encapsulation{Mode: t.Mode, Key: t.OutputKey != nil, NoEncapLimit: t.Flags&gre.FlagIgnEncapLimit != 0}
}

// Tunnel is one end of a GRE tunnel as its owner wants it: everything that NetworkManager's
// ip-tunnel setting holds for the GRE modes, its inner addresses, and the routes that lead into it.
//
// The zero value of Name, Local and MTU means "not decided": [Host.Plan] decides them. In a tunnel
// that was read back from a profile MTU 0 means that the kernel chooses.
type Tunnel struct {
	Name string // the interface's name, 1 to 15 bytes; also the profile's name when nmgre makes it

	Mode   gre.Mode
	Local  netip.Addr // this end's outer address; unspecified (0.0.0.0, ::) for any
	Remote netip.Addr // the far end's outer address
	// device (or the UUID of its profile) that the tunnel is bound to; empty for none
	Parent string

	InputKey  *gre.Key // what packets must carry to be taken; nil for none
	OutputKey *gre.Key // what packets are sent with; nil for none

	TTL     uint8 // 1 to 255; 0 inherits the inner packet's
	TOS     uint8 // 0 to 255; 1 inherits the inner packet's
	NoPMTUD bool  // path MTU discovery off: the outer DF bit is copied from the inner packet

	// IPv6 modes: the tunnel encapsulation limit (RFC 2473); with 0 no tunnel on the way may carry
	// the packets
	EncapLimit uint8
	FlowLabel  uint32    // IPv6 modes: 20 bits
	Flags      gre.Flags // IPv6 modes

	MTU uint32 // of the tunnel device, in bytes

	Addresses []netip.Prefix // inner addresses of this end, with the length of their network
	// the far end's inner address, where probes go; zero if it is not known
	PeerAddress netip.Addr

	// what shall be sent into the tunnel; in a tunnel that was read back from a profile, those it
	// holds
	Routes      []routes.Route
	Autoconnect bool // NetworkManager brings the tunnel up by itself

	SNAT     []keep.SNAT // what sources packets from the inner networks get
	Forward  bool        // packets are forwarded between the tunnel and this host's networks
	ClampMSS bool        // TCP connections through the tunnel are kept to segments that fit
}

// NewTunnel returns a tunnel with the defaults of `nmgre create`: mode gre, TTL 64, path MTU
// discovery, autoconnect.
func NewTunnel() Tunnel {
	return Tunnel{Mode: gre.ModeGRE, TTL: gre.DefaultTTL, Autoconnect: true}
}

// Clone returns a copy that shares nothing with t.
func (t Tunnel) Clone() Tunnel {
	t.InputKey, t.OutputKey = gre.CloneKey(t.InputKey), gre.CloneKey(t.OutputKey)
	t.Addresses, t.SNAT = slices.Clone(t.Addresses), slices.Clone(t.SNAT)
	t.Routes = slices.Clone(t.Routes)
	for i := range t.Routes {
		t.Routes[i] = t.Routes[i].Clone()
	}
	return t
}
