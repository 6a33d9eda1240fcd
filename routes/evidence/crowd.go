package evidence

import (
	"net/netip"
	"sync"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// crowd hears for many tunnels, and hands each packet to the one that it belongs to. It knows
// packets but no socket.
//
// A packet that none of the tunnels claims may be of interest to several: to those with its far
// end, and to those with this end's address. It is kept once for all of them, so that a flood of
// such packets costs no more than a list.
type crowd struct {
	mu sync.Mutex
	// claims are the claims of all tunnels, each with the tunnels that are listened to now.
	claims map[claim][]*heard
	// loose are packets from or to a known far end that no tunnel claims, by the far end; strange
	// those that come in and that no tunnel claims, by this end's address.
	loose, strange map[netip.Addr]*heard
}

// claim has the fields that all packets of a tunnel share in one direction.
type claim struct {
	out    bool
	remote netip.Addr
	keyed  bool
	key    gre.Key
}

func claimOf(out bool, remote netip.Addr, key *gre.Key) claim {
	c := claim{out: out, remote: remote, keyed: key != nil}
	if key != nil {
		c.key = *key
	}
	return c
}

// claimsOf returns a tunnel's claims, that of the packets that leave first.
func claimsOf(e ends) [2]claim {
	return [2]claim{claimOf(true, e.Remote, e.Key), claimOf(false, e.Remote, e.InputKey)}
}

// newCrowd returns a crowd of these tunnels. None of them is listened to yet.
func newCrowd(all []ends) *crowd {
	c := &crowd{claims: make(map[claim][]*heard), loose: make(map[netip.Addr]*heard), strange: make(map[netip.Addr]*heard)}
	for _, e := range all {
		for _, own := range claimsOf(e) {
			c.claims[own] = nil
		}
		c.loose[e.Remote] = newHeard(ends{Ends: kernel.Ends{Mode: e.Mode, Remote: e.Remote}})
		for _, local := range e.locals() {
			c.strange[local] = newHeard(ends{Ends: kernel.Ends{Mode: e.Mode, Local: local}})
		}
	}
	return c
}

// locals returns the outer addresses that this end has, or may have.
func (e *ends) locals() []netip.Addr {
	if e.Local.IsValid() {
		return []netip.Addr{e.Local}
	}
	return e.own
}

// join begins to listen for h, whose claims must be known.
func (c *crowd) join(h *heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, own := range claimsOf(h.ends) {
		c.claims[own] = append(c.claims[own], h)
	}
}

// part ends the listening for h. It returns the packets and errors that h has heard, and those
// without a tunnel that may concern it.
func (c *crowd) part(h *heard) kernel.Heard {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, own := range claimsOf(h.ends) {
		var others []*heard
		for _, o := range c.claims[own] {
			if o != h {
				others = append(others, o)
			}
		}
		c.claims[own] = others
	}
	all := h.soFar(func(kernel.Packet) bool { return true })
	if loose := c.loose[h.ends.Remote]; loose != nil {
		all = joinHeard(all, loose.soFar(func(kernel.Packet) bool { return true }))
	}
	for _, local := range h.ends.locals() {
		if strange := c.strange[local]; strange != nil {
			all = joinHeard(all, strange.soFar(func(p kernel.Packet) bool { return p.From != h.ends.Remote }))
		}
	}
	return all
}

// soFar returns a copy of h's packets that wanted selects, with all its errors.
func (h *heard) soFar(wanted func(kernel.Packet) bool) kernel.Heard {
	h.mu.Lock()
	defer h.mu.Unlock()
	choose := func(list []kernel.Packet) (chosen []kernel.Packet) {
		for _, p := range list {
			if wanted(p) {
				chosen = append(chosen, p)
			}
		}
		return chosen
	}
	return kernel.Heard{Sent: choose(h.Sent), Arrived: choose(h.Arrived), Accepted: choose(h.Accepted),
		Errors: append([]kernel.ICMPError(nil), h.Errors...), More: h.More}
}

// joinHeard returns the packets and errors of both.
func joinHeard(a, b kernel.Heard) kernel.Heard {
	return kernel.Heard{Sent: append(a.Sent, b.Sent...), Arrived: append(a.Arrived, b.Arrived...), Accepted: append(a.Accepted, b.Accepted...),
		Errors: append(a.Errors, b.Errors...), More: a.More || b.More}
}

// whose returns the tunnels that a packet belongs to and that are listened to, and whether any
// tunnel claims it.
func (c *crowd) whose(out bool, remote netip.Addr, key *gre.Key) (list []*heard, claimed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, claimed = c.claims[claimOf(out, remote, key)]
	return list, claimed
}

// leaves implements [ear].
func (c *crowd) leaves(p kernel.Packet) {
	list, claimed := c.whose(true, p.To, p.Key)
	for _, h := range list {
		h.leaves(p)
	}
	if loose := c.loose[p.To]; !claimed && loose != nil {
		loose.leaves(p)
	}
}

// arrives implements [ear].
func (c *crowd) arrives(p kernel.Packet) { c.comes(p, (*heard).arrives) }

// accepted implements [ear].
func (c *crowd) accepted(p kernel.Packet) { c.comes(p, (*heard).accepted) }

// comes hands a packet that comes in to those that it is of interest to.
func (c *crowd) comes(p kernel.Packet, note func(*heard, kernel.Packet)) {
	list, claimed := c.whose(false, p.From, p.Key)
	for _, h := range list {
		note(h, p)
	}
	if claimed {
		return
	}
	for _, h := range []*heard{c.loose[p.From], c.strange[p.To]} {
		if h != nil {
			note(h, p)
		}
	}
}

// error implements [ear]. An error that does not quote the key may be about any tunnel to that far
// end.
func (c *crowd) error(e kernel.ICMPError) {
	list, claimed := c.whose(true, e.Quoted.To, e.Quoted.Key)
	for _, h := range list {
		h.error(e)
	}
	unknown := e.Quoted.Cut && e.Quoted.Key == nil
	if loose := c.loose[e.Quoted.To]; loose != nil && (unknown || !claimed) {
		loose.error(e)
	}
	if unknown {
		for _, h := range c.keyed(e.Quoted.To) {
			h.refuse(e)
		}
	}
}

// keyed returns the tunnels with a key to that far end that are listened to.
func (c *crowd) keyed(remote netip.Addr) (list []*heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for own, listening := range c.claims {
		if own.out && own.keyed && own.remote == remote {
			list = append(list, listening...)
		}
	}
	return list
}

// missing implements [ear]: nobody knows whose packets the kernel has dropped.
func (c *crowd) missing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, listening := range c.claims {
		for _, h := range listening {
			h.missing()
		}
	}
	for _, of := range []map[netip.Addr]*heard{c.loose, c.strange} {
		for _, h := range of {
			h.missing()
		}
	}
}
