package pair

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// Routed is a network to which a tunnel of the host has a route in the main table.
type Routed struct {
	Tunnel string       `json:"tunnel"`
	Dst    netip.Prefix `json:"dst"`
}

// routedBy returns the networks to which a tunnel has routes.
func routedBy(t nm.Tunnel) []Routed {
	var list []Routed
	for i := range t.Routes {
		if r := &t.Routes[i]; r.TableOrMain() == routes.MainTable && r.Dst.IsValid() && len(list) < maxList {
			list = append(list, Routed{t.Name, r.Dst.Masked()})
		}
	}
	return list
}

// carrier returns the name of the tunnel that carries lan already, or the empty string: the tunnel
// has a route to that very network, or leads to the same host and has a route to a network around
// it. Two tunnels with routes of one metric to one network are in each other's way, so a second one
// is not proposed. The tunnels named in but do not count.
func (h *Hello) carrier(lan netip.Prefix, leads func(Ends) bool, but ...string) string {
	for _, r := range h.Routed {
		around := r.Dst.Bits() > 0 && r.Dst.Bits() < lan.Bits() && r.Dst.Contains(lan.Addr())
		switch {
		case slices.Contains(but, r.Tunnel):
		case r.Dst == lan, around && slices.ContainsFunc(h.Ends, func(e Ends) bool { return e.Name == r.Tunnel && leads(e) }):
			return r.Tunnel
		}
	}
	return ""
}

// leadsToAny tells the tunnels that lead to an address of the other host from the rest.
func leadsToAny(other *Hello, outer netip.Addr) func(Ends) bool {
	return func(e Ends) bool { return isHost(e.Remote) && (e.Remote == outer || other.has(e.Remote)) }
}

// partners returns the names of the host's tunnels that are the other end of t: those that mirror
// it, or, where t is there and nothing mirrors it, the only one between the outer addresses that is
// not taken.
func (h *Hello) partners(t nm.Tunnel, there bool, taken []string) []string {
	var mirror, between []string
	for _, e := range h.Ends {
		if e.Mirrors(t) {
			mirror = append(mirror, e.Name)
		}
		if Between(t, e.Local, e.Remote) && !slices.Contains(taken, e.Name) {
			between = append(between, e.Name)
		}
	}
	if len(mirror) == 0 && there && len(between) == 1 {
		return between
	}
	return mirror
}

// notTwice is the note about a network that a tunnel carries already.
func notTwice(lan netip.Prefix, where, carrier, flag string) string {
	return fmt.Sprintf("no route to %s %s: the tunnel %s carries that network already; to have one through this tunnel, too, give --%s, with a metric of its own",
		lan, where, fault.Operand(carrier), flag)
}
