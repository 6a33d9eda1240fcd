package kernel

import "nmgre/routes/gre"

// Options returns the options of the link that NetworkManager cannot hold, as far as they are on in
// both directions. An Ethernet device has the flag MULTICAST by itself: it is none of them.
func (l Link) Options() gre.LinkOptions {
	g := l.GRE
	if g == nil {
		return gre.LinkOptions{}
	}
	return gre.LinkOptions{Multicast: l.Multicast && !g.Mode.Ethernet(), IgnoreDF: g.IgnoreDF, Checksum: g.Checksum && !g.OneWay, Sequence: g.Sequence && !g.OneWay}
}

// LinkChange asks for options of a GRE link to be switched on and off. Everything else about the
// link stays as it is, its MTU and its addresses included.
type LinkChange struct {
	Name    string // of the link
	On, Off gre.LinkOptions
}

// PortState is the state of a bridge's port: the kernel's BR_STATE_..., plus one.
type PortState uint8

// The states. A port that is not a bridge's has none.
const (
	PortNone       PortState = iota
	PortDisabled             // the port is down, or has no carrier
	PortListening            // the spanning tree waits before it learns addresses
	PortLearning             // the spanning tree waits before it forwards
	PortForwarding           // packets pass
	PortBlocking             // the spanning tree keeps a loop open
)

// String returns the word of `bridge link` for the state.
func (s PortState) String() string {
	words := [...]string{"none", "disabled", "listening", "learning", "forwarding", "blocking"}
	if int(s) < len(words) {
		return words[s]
	}
	return "unknown"
}
