package cause

import (
	"fmt"
	"slices"

	"nmgre/nm/verify/words"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// errors returns the ICMP errors about this tunnel's packets that have one of the meanings. Errors
// about another tunnel between the same hosts quote another key, or another kind of packets.
func (ev Evidence) errors(of ...kernel.Meaning) (list []kernel.ICMPError) {
	_, out := ev.Keys()
	for _, e := range ev.Heard.Errors {
		unknown, ours := e.Quoted.Cut && e.Quoted.Key == nil, !e.Quoted.From.IsValid() || ev.isLocal(e.Quoted.From)
		if slices.Contains(of, e.Meaning()) && ours && ev.sameKind(e.Quoted) && (unknown || gre.SameKey(e.Quoted.Key, out)) {
			list = append(list, e)
		}
	}
	return list
}

// Refused reports whether an ICMP error says that the tunnel's packets do not get through.
func (ev Evidence) Refused() bool {
	return len(ev.errors(kernel.NoProtocol, kernel.NoPort, kernel.Prohibited, kernel.NoWay, kernel.TooFar)) > 0
}

// RefusedByFar reports whether the far end itself refuses the tunnel's packets, which get there
// then.
func (ev Evidence) RefusedByFar() bool {
	return slices.ContainsFunc([]kernel.Meaning{kernel.NoProtocol, kernel.NoPort, kernel.Prohibited}, func(m kernel.Meaning) bool { return ev.refusedByFar(m) != nil })
}

// refusedByFar returns the first error with that meaning by the far end itself, or nil.
func (ev Evidence) refusedByFar(of kernel.Meaning) *kernel.ICMPError {
	for _, e := range ev.errors(of) {
		if ev.isFar(e.By) {
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
		text += " about " + words.KeyText(e.Quoted.Key)
	}
	return text
}

// icmpFacts are an error's fields.
func icmpFacts(e kernel.ICMPError) Facts {
	return Facts{"by": e.By.String(), "icmp_type": int(e.Type), "icmp_code": int(e.Code)}
}
