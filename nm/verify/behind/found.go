package behind

import (
	"net/netip"
	"slices"

	"nmgre/routes/kernel"
)

// Source is an address of this host that requests are sent from.
type Source struct {
	Address  netip.Prefix // with the length of its network
	Dev      string       // the device that has it
	Inner    bool         // it is the tunnel's own
	Forwards bool         // this host forwards the packets of its network
}

// Asked has the answers to the requests from one source.
type Asked struct {
	Source
	Result kernel.ProbeResult
	// Peer has the answers of the far end's inner address itself to this source. Nothing is sent
	// there from the inner address, whose answers are known.
	Peer kernel.ProbeResult
	Err  error // why no request could be sent; nil if one was
}

// Found has the answers of one address behind the far end, and the way to it.
type Found struct {
	To netip.Addr
	// Network is set where nobody has given the address: it stands for this network, and is asked
	// for by requests of TTL 1 alone, which do not get there.
	Network netip.Prefix
	Hop     kernel.Hop // the way of this host's own packets; the zero Hop if there is none
	NoRoute string     // the kernel's words, if there is none
	// Asked are the sources whose packets go into the tunnel. There are none if none do.
	Asked []Asked
	Near  kernel.ProbeResult // of requests of TTL 1, from the inner address
	// Forwards is who said of a packet of TTL 1, to this address or another, that its time is
	// exceeded: the far end, which forwards. It is the zero Addr if nobody has.
	Forwards netip.Addr
}

// Reached returns the sources whose requests came to the address: it has answered, or refused them
// itself.
func (f Found) Reached() []Asked {
	return f.sources(func(a Asked) bool { return a.Err == nil && reaches(f.To, a.Result) })
}

// Silent returns the sources whose requests did not, as far as is known.
func (f Found) Silent() []Asked {
	return f.sources(func(a Asked) bool { return a.Err == nil && !reaches(f.To, a.Result) })
}

// Itself reports whether the address is the far end's own: it answers although nobody forwards.
func (f Found) Itself() bool { return f.Near.Received > 0 }

// NearRefusal returns the first ICMP error with one of the meanings about the requests of TTL 1. It
// returns nil if there is none.
func (f Found) NearRefusal(of ...kernel.Meaning) *kernel.ICMPError {
	for _, e := range f.Near.Errors {
		if slices.Contains(of, e.Meaning()) {
			return &e
		}
	}
	return nil
}

// Refusal returns the first ICMP error with one of the meanings about the requests. It returns nil
// if there is none. Those of the address itself do not count.
func (f Found) Refusal(of ...kernel.Meaning) *kernel.ICMPError {
	for _, a := range f.Asked {
		for _, e := range a.Result.Errors {
			if e.By != f.To && slices.Contains(of, e.Meaning()) {
				return &e
			}
		}
	}
	return nil
}

func (f Found) sources(so func(Asked) bool) (list []Asked) {
	for _, a := range f.Asked {
		if so(a) {
			list = append(list, a)
		}
	}
	return list
}

// reaches reports whether requests have come to the address.
func reaches(to netip.Addr, r kernel.ProbeResult) bool {
	return r.Received > 0 || slices.ContainsFunc(r.Errors, func(e kernel.ICMPError) bool { return e.By == to })
}

// forwarder returns who said that the time of a packet of TTL 1 is exceeded.
func (f Found) forwarder() netip.Addr {
	if e := f.NearRefusal(kernel.TooFar); e != nil {
		return e.By
	}
	return netip.Addr{}
}
