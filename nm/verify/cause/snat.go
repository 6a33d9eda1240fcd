package cause

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm/verify/snat"
	"nmgre/routes/keep"
)

// snatCauses are the faults of an SNAT rule that is there.
var snatCauses = []row{
	{
		Cause: Cause{"snat-taken", Proved, "another NAT rule takes the packets of the tunnel's SNAT rule: the chain of lower priority does, of equals the later",
			"sudo nft list ruleset (postrouting); sudo conntrack -L -d DEST"},
		anyway: true,
		when: func(ev Evidence) bool {
			return ev.SNAT != nil && ev.SNAT.Sent && ev.SNAT.Grew == 0 && ev.gotOther().IsValid()
		},
		tell: func(ev Evidence) said {
			f, got := ev.SNAT, ev.gotOther()
			s := said{summary: fmt.Sprintf("another rule takes the packets of this one, so they do not get the source that it gives: %s", f.Rule.Summary()),
				evidence: fmt.Sprintf("its counter stayed while a packet was sent from %s to %s, which left as from %s", f.From, f.To, got),
				advice:   "look for the chain that has NAT for them in the hook postrouting of `sudo nft list ruleset`",
				facts:    Facts{"from": f.From.String(), "to": f.To.String(), "source": got.String(), "packets": f.Grew}}
			return s.ruledBy(takerOf(f.Own, got))
		},
	},
	{ // the rules say so, and no packet has proved it
		Cause:  Cause{"snat-taken", Likely, "", ""},
		anyway: true,
		when:   func(ev Evidence) bool { return ev.SNAT != nil && ev.foreseen() != nil },
		tell: func(ev Evidence) said {
			f := ev.SNAT
			s := said{summary: fmt.Sprintf("another rule takes the packets of this one, so they do not get the source that it gives: %s", f.Rule.Summary()),
				facts: Facts{"from": f.From.String(), "to": f.To.String(), "packets": f.Grew}}
			return s.ruledBy(&ev.foreseen().Ruling)
		},
	},
	{ // and nothing says why
		Cause: Cause{"snat-taken", Likely, "", ""},
		warns: true, anyway: true,
		when: func(ev Evidence) bool { return ev.SNAT != nil && stayed(ev.SNAT) && !ev.SNAT.Right() },
		tell: func(ev Evidence) said {
			f := ev.SNAT
			return said{summary: fmt.Sprintf("the rule has not taken a packet that it is for: %s", f.Rule.Summary()),
				evidence: fmt.Sprintf("its counter stayed while a packet was sent from %s to %s", f.From, f.To),
				advice:   "look for rules that take packets off the connection tracking (notrack), and for other chains of the hook postrouting, in `sudo nft list ruleset`",
				facts:    Facts{"from": f.From.String(), "to": f.To.String(), "packets": f.Grew}}
		},
	},
}

// OfSNAT returns the fault of the SNAT rule that was tried, or nil.
func OfSNAT(ev Evidence) *Finding { return firstOf(snatCauses, ev) }

// gotOther returns the source that the packet which was sent has got from another rule. It returns
// the zero Addr if no rule has given it one, or another packet like it has got the right one.
func (ev Evidence) gotOther() (got netip.Addr) {
	if ev.SNAT.Right() {
		return got
	}
	for _, a := range ev.SNAT.Own.Sources {
		if a != ev.SNAT.From {
			got = a
		}
	}
	return got
}

// takerOf returns the rule that gives packets the source which they have got: one that surely
// does, if there is one. It returns nil if no rule is known.
func takerOf(t keep.Translations, got netip.Addr) *keep.Ruling {
	var perhaps *keep.Ruling
	for i, o := range t.Others {
		switch {
		case o.To == got:
			return &t.Others[i].Ruling
		case !o.To.IsValid() && perhaps == nil:
			perhaps = &t.Others[i].Ruling
		}
	}
	return perhaps
}

// foreseen returns the rule that surely gives packets an unwanted source: the forwarded ones, or
// the one that was sent, if nobody knows its source. It returns nil if there is none.
func (ev Evidence) foreseen() *keep.OuterRewrite {
	f := ev.SNAT
	list := f.Forwarded.Others
	if stayed(f) && len(f.Own.Sources) == 0 {
		list = slices.Concat(f.Own.Others, list)
	}
	for i, o := range list {
		if !o.Perhaps && !slices.Contains(f.Wanted, o.To) {
			return &list[i]
		}
	}
	return nil
}

// stayed reports whether the rule has not taken the packet that was sent.
func stayed(f *snat.Found) bool { return f.Sent && f.Grew == 0 }
