package nmgre

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// forwardVersion is the first NetworkManager that has ipv4.forwarding.
var forwardVersion = Version{1, 54, 0}

// less says whether v is older than o.
func (v Version) less(o Version) bool {
	switch {
	case v.Major != o.Major:
		return v.Major < o.Major
	case v.Minor != o.Minor:
		return v.Minor < o.Minor
	}
	return v.Micro < o.Micro
}

// kept is what has to be kept for the tunnel that is planned, but for the profile's UUID, which is not known yet.
func (p *preflight) kept(ctx context.Context) (Kept, error) {
	k := Kept{Name: p.t.Name, Remote: p.t.Remote, Inner: innerNetworks(p.t), SNAT: p.t.SNAT, ClampMSS: p.t.ClampMSS, Pin: p.pin,
		Routes: OwnedBy(p.owned, OwnerKernel)}
	if p.t.Forward {
		devices, err := p.forwardDevices(ctx)
		if err != nil {
			return k, err
		}
		k.Forward = devices
	}
	return k, nil
}

// innerNetworks are the networks whose packets SNAT is for: the tunnel's own, and the far end's host where no network has it.
func innerNetworks(t Tunnel) []netip.Prefix {
	var networks []netip.Prefix
	add := func(n netip.Prefix) {
		if !slices.Contains(networks, n) {
			networks = append(networks, n)
		}
	}
	for _, own := range t.Addresses {
		add(own.Masked())
	}
	if peer := t.PeerAddress; peer.IsValid() && !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(peer) }) {
		add(hostPrefix(peer))
	}
	return networks
}

// forwardDevices are the devices between which packets are forwarded: the tunnel's, and those that lead to the SNAT destinations; without
// any, those of this host's own networks.
func (p *preflight) forwardDevices(ctx context.Context) ([]string, error) {
	devices := []string{p.t.Name}
	add := func(dev string) {
		if dev != "" && !slices.Contains(devices, dev) {
			devices = append(devices, dev)
		}
	}
	for _, s := range p.t.SNAT {
		leading, err := p.devicesTo(ctx, s.Dst)
		if err != nil {
			return nil, err
		}
		for _, dev := range leading {
			add(dev)
		}
	}
	if len(p.t.SNAT) == 0 {
		out, err := p.kernel.Lookup(ctx, Query{To: p.t.Remote})
		if err != nil && !errors.Is(err, ErrUnreachable) {
			return nil, err
		}
		for _, link := range p.links {
			if len(ownNetworks([]Link{link}, out.Dev, ipv4Of(p.t.Addresses))) > 0 {
				add(link.Name)
			}
		}
	}
	if len(devices) == 1 {
		return nil, invalid("forward", "bring the LAN's connection up first, or leave --forward out", "this host has no other network to forward to")
	}
	return devices, nil
}

// devicesTo returns the devices by which packets to dst leave: those whose own networks lie there, or else where the kernel would send
// one. An address of dst that is this host's own would lead to lo only.
func (p *preflight) devicesTo(ctx context.Context, dst netip.Prefix) ([]string, error) {
	var devices []string
	for _, link := range p.links {
		own := func(a netip.Prefix) bool { return a.Masked().Overlaps(dst) && !a.Addr().IsLoopback() }
		if link.Up && link.GRE == nil && slices.ContainsFunc(link.Addresses, own) {
			devices = append(devices, link.Name)
		}
	}
	if len(devices) > 0 {
		return devices, nil
	}
	hop, err := p.kernel.Lookup(ctx, Query{To: sampleAddr(dst, p.t.Remote)})
	if errors.Is(err, ErrUnreachable) {
		return nil, nil
	}
	return []string{hop.Dev}, err
}

func ipv4Of(list []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(list), func(p netip.Prefix) bool { return !p.Addr().Is4() })
}

// checkForwarding returns what is wrong with the SNAT and forwarding that are wanted, as far as the request itself tells.
func checkForwarding(t Tunnel) []*Error {
	var problems []*Error
	for i, s := range t.SNAT {
		switch {
		case !s.Dst.IsValid() || s.Dst != s.Dst.Masked():
			problems = append(problems, invalid("snat", "write it as 10.10.2.0/24=10.10.2.1", "the destination has bits behind its length"))
		case s.Source.IsValid() && s.Source.Is4() != s.Dst.Addr().Is4():
			problems = append(problems, invalid("snat", "the destination and the source are of one family", "%s: %s is of another family", s.Dst, s.Source))
		case !slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == s.Dst.Addr().Is4() }):
			problems = append(problems, invalid("snat", "give the tunnel an inner address of that family", "%s: the tunnel has no inner address of its family", s.Dst))
		case slices.ContainsFunc(t.SNAT[:i], func(o SNAT) bool { return o.Dst == s.Dst }):
			problems = append(problems, invalid("snat", "give each destination once", "%s is given twice", s.Dst))
		}
	}
	if t.Forward && len(ipv4Of(t.Addresses)) == 0 {
		problems = append(problems, invalid("forward", "IPv6 is forwarded host-wide only: sysctl -w net.ipv6.conf.all.forwarding=1",
			"the tunnel has no IPv4 inner address"))
	}
	return problems
}

// snatSources refuses sources that this host does not have: the answers would not come back to it.
func (p *preflight) snatSources() []error {
	var errs []error
	for _, s := range p.t.SNAT {
		if problem := sourceNotHere(p.links, s); problem != nil {
			errs = append(errs, problem)
		}
	}
	return errs
}

// sourceNotHere returns what is wrong with a source that none of the links has.
func sourceNotHere(links []Link, s SNAT) *Error {
	if !s.Source.IsValid() || holderOf(links, s.Source) != nil {
		return nil
	}
	return invalid("snat", fmt.Sprintf("use an address that this host has in that network, or write %s=masquerade", s.Dst),
		"%s is not an address of this host: answers to it would not come back here", s.Source)
}

// forwardNotes tell what will keep forwarded packets from getting through.
func forwardNotes(ctx context.Context, h System, k Kept) []string {
	var notes []string
	if len(k.Forward) == 0 {
		if len(k.SNAT) > 0 {
			if on, err := h.Gateway.Forwarding(ctx, "all"); err == nil && !on {
				notes = append(notes, "packets are not forwarded on this host, so that SNAT has nothing to do: add --forward")
			}
		}
		return notes
	}
	obstacles, err := h.Gateway.Obstacles(ctx, k.Forward)
	if err != nil { // without root nobody can look
		return notes
	}
	for _, o := range obstacles {
		notes = append(notes, "warning: "+o.What+"; type: "+o.Hint)
	}
	return notes
}

// hookNote says that what is kept will not come back by itself, if so.
func hookNote(ctx context.Context, h System, k Kept) []string {
	if k.Empty() {
		return nil
	}
	err := h.Store.HookMissing(ctx)
	if err == nil {
		return nil
	}
	return []string{"warning: what NetworkManager cannot hold is not put back when the tunnel comes up again: " + err.Error() + "; " + strings.Join(Hints(err), "; ")}
}
