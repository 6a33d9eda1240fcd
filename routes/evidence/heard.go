package evidence

import (
	"net/netip"
	"slices"
	"sync"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// Bounds of each list of heard packets: a tunnel with much traffic does not push out another's
// packets, nor one of its flows another.
const (
	maxHeard = 256
	maxAlike = 64 // of one kind
	maxFlow  = 8  // between the same inner addresses, too
)

// heard collects the packets and errors that the sockets hear. It knows packets but no socket.
type heard struct {
	ends    ends
	refused chan struct{} // closed by the first error about the tunnel's own packets

	mu sync.Mutex
	kernel.Heard
	alike map[any]int // how many of each kind and each flow were kept
}

func newHeard(e ends) *heard {
	return &heard{ends: e, refused: make(chan struct{}), alike: make(map[any]int)}
}

// kind has the fields in which the alike packets of a list agree.
type kind struct {
	list     *[]kernel.Packet
	packet   kernel.Packet // without the inner packet, and without pointers
	key      gre.Key
	has, seq bool // has a key, has a sequence number
}

// flow has the fields in which alike packets between the same inner addresses agree.
type flow struct {
	of       any // a kind or an errorKind
	from, to netip.Addr
}

func kindOf(list *[]kernel.Packet, p kernel.Packet) kind {
	k := kind{list: list, has: p.Key != nil, seq: p.Sequence != nil}
	if p.Key != nil {
		k.key = *p.Key
	}
	k.packet = kernel.Packet{From: p.From, To: p.To, Header: gre.Header{Version: p.Version, Checksum: p.Checksum, Protocol: p.Protocol}}
	return k
}

// deaf notes kinds of packets that cannot be heard, each once.
func (h *heard) deaf(what []string, err error) {
	for _, w := range what {
		if !slices.ContainsFunc(h.Deaf, func(d kernel.Deaf) bool { return d.What == w }) {
			h.Deaf = append(h.Deaf, kernel.Deaf{What: w, Err: err})
		}
	}
}

// leaves notes a packet on its way out.
func (h *heard) leaves(p kernel.Packet) {
	if p.To == h.ends.Remote {
		h.keep(&h.Sent, p)
	}
}

// arrives notes a packet that comes in.
func (h *heard) arrives(p kernel.Packet) {
	if p.From == h.ends.Remote || h.ends.has(p.To) {
		h.keep(&h.Arrived, p)
	}
}

// accepted notes a packet that came through the firewall. It is for this host, at any address.
func (h *heard) accepted(p kernel.Packet) {
	if p.From == h.ends.Remote || !h.ends.Local.IsValid() || p.To == h.ends.Local {
		h.keep(&h.Accepted, p)
	}
}

// has reports whether an address is the tunnel's own outer address.
func (e *ends) has(a netip.Addr) bool {
	if e.Local.IsValid() {
		return a == e.Local
	}
	return slices.Contains(e.own, a)
}

func (h *heard) keep(list *[]kernel.Packet, p kernel.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := kindOf(list, p)
	if h.room(len(*list), k, flow{k, p.InnerFrom, p.InnerTo}) {
		*list = append(*list, p)
	}
}

// room reports whether one more is kept in a list, and counts it.
func (h *heard) room(size int, kind, flow any) bool {
	switch {
	case h.alike[kind] >= maxAlike || h.alike[flow] >= maxFlow:
		return false
	case size >= maxHeard:
		h.More = true
		return false
	}
	h.alike[kind]++
	h.alike[flow]++
	return true
}

// missing notes that the kernel has dropped packets that were to be heard.
func (h *heard) missing() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.More = true
}

// error notes an ICMP error about a packet to the far end.
func (h *heard) error(e kernel.ICMPError) {
	if e.Quoted.To != h.ends.Remote {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	alike := e
	alike.Quoted = kernel.Packet{}
	k := errorKind{alike, kindOf(nil, e.Quoted)}
	if h.room(len(h.Errors), k, flow{k, e.Quoted.InnerFrom, e.Quoted.InnerTo}) {
		h.Errors = append(h.Errors, e)
	}
	h.refuseIfOurs(e)
}

// refuse notes that an error about this tunnel's packets has come, without keeping it.
func (h *heard) refuse(e kernel.ICMPError) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuseIfOurs(e)
}

func (h *heard) refuseIfOurs(e kernel.ICMPError) {
	if !h.ours(e.Quoted) || e.Meaning() == kernel.TooBig {
		return
	}
	select {
	case <-h.refused:
	default:
		close(h.refused)
	}
}

// errorKind has the fields in which alike errors agree.
type errorKind struct {
	error  kernel.ICMPError // without the quoted packet
	packet kind
}

// ours reports whether a packet to the far end, as far as it is quoted, is one of this tunnel's
// own.
func (h *heard) ours(p kernel.Packet) bool {
	local := !h.ends.Local.IsValid() || p.From == h.ends.Local
	return local && (p.Cut && p.Key == nil || gre.SameKey(p.Key, h.ends.Key))
}
