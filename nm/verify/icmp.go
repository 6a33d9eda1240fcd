package verify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// meaning is what an ICMP or ICMPv6 error says about a packet of the tunnel.
type meaning uint8

// The meanings. Errors that say nothing of use have the meaning 0.
const (
	noProtocol meaning = iota + 1 // nobody there takes GRE
	noPort                        // no tunnel there takes the packet
	prohibited                    // a firewall, or a route of that type, refuses it
	noWay                         // no route, or no host
	tooFar                        // the TTL ran out
	tooBig
)

// meaningOf reads the type and the code of an error (RFC 792, RFC 1812; RFC 4443).
func meaningOf(e kernel.ICMPError) meaning {
	if e.By.Is6() {
		return meaning6(e)
	}
	switch {
	case e.Type == kernel.ICMPTimeExceeded && e.Code == 0:
		return tooFar
	case e.Type != kernel.ICMPUnreachable:
		return 0
	}
	switch e.Code {
	case 2:
		return noProtocol
	case 3:
		return noPort
	case kernel.ICMPFragmentationNeeded:
		return tooBig
	case 9, 10, 13:
		return prohibited
	}
	return noWay
}

// meaning6 is meaningOf for ICMPv6.
func meaning6(e kernel.ICMPError) meaning {
	switch {
	case e.Type == kernel.ICMP6PacketTooBig:
		return tooBig
	case e.Type == kernel.ICMP6TimeExceeded && e.Code == 0:
		return tooFar
	case e.Type == kernel.ICMP6ParameterProblem && e.Code == 1: // the next header is not known
		return noProtocol
	case e.Type != kernel.ICMP6Unreachable:
		return 0
	}
	switch e.Code {
	case 4:
		return noPort
	case 1, 5, 6:
		return prohibited
	}
	return noWay
}

// errors returns the ICMP errors about this tunnel's packets that have one of the meanings. Errors
// about another tunnel between the same hosts quote another key.
func (f facts) errors(of ...meaning) (list []kernel.ICMPError) {
	_, out := f.keys()
	for _, e := range f.heard.Errors {
		unknown := e.Quoted.Cut && e.Quoted.Key == nil
		ours := !e.Quoted.From.IsValid() || f.isLocal(e.Quoted.From)
		if slices.Contains(of, meaningOf(e)) && ours && (unknown || gre.SameKey(e.Quoted.Key, out)) {
			list = append(list, e)
		}
	}
	return list
}

// refused reports whether an ICMP error says that the tunnel's packets do not get through.
func (f facts) refused() bool {
	return len(f.errors(noProtocol, noPort, prohibited, noWay, tooFar)) > 0
}

// refusedByFar returns the first error with that meaning by the far end itself, or nil.
func (f facts) refusedByFar(of meaning) *kernel.ICMPError {
	for _, e := range f.errors(of) {
		if f.isFar(e.By) {
			return &e
		}
	}
	return nil
}

// icmpText describes an error.
func icmpText(e kernel.ICMPError) string {
	kind := "ICMP"
	if e.By.Is6() {
		kind = "ICMPv6"
	}
	text := fmt.Sprintf("%s %d/%d (%s) from %s", kind, e.Type, e.Code, e.Words(), e.By)
	if e.Quoted.Key != nil {
		text += " about " + keyText(e.Quoted.Key)
	}
	return text
}

// icmpFacts are an error's fields.
func icmpFacts(e kernel.ICMPError) Facts {
	return Facts{"by": e.By.String(), "icmp_type": int(e.Type), "icmp_code": int(e.Code)}
}

// refusers returns the senders of the refusals that the probe's own socket saw, inside the tunnel.
func (f facts) refusers() (list []netip.Addr) {
	for _, words := range f.probe.Refusals {
		_, by, _ := strings.Cut(words, ", from ")
		if a, err := netip.ParseAddr(by); err == nil {
			list = append(list, a)
		}
	}
	return list
}
