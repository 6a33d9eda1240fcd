package wizard

import (
	"fmt"
	"net/netip"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
)

// ownLANs are the networks of this host that are not the way to the far end.
func (w *Wizard) ownLANs() []string {
	var lans []string
	for _, l := range w.answers.Links {
		if l.GRE != nil || !l.Up || w.answers.Hop != nil && l.Name == w.answers.Hop.Dev {
			continue
		}
		for _, p := range l.Addresses {
			if a := p.Addr(); a.Is4() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !p.IsSingleIP() {
				lans = append(lans, p.Masked().String()+" by "+fault.Printable(l.Name))
			}
		}
	}
	return lans
}

// picture gathers the rows of the path's picture.
type picture struct {
	theme draw.Theme
	width int
	lines []draw.Line
}

// row is a station of the path, or the way between two. The text about it stands beside it, or
// below it on a narrow screen.
func (p *picture) row(mark, what, about string) {
	th := p.theme
	if p.width >= draw.NarrowBelow-4 {
		p.lines = append(p.lines, draw.Line{draw.Accent.Of("  " + mark + " "), draw.Plain.Of(th.Fit(what, 21) + " "), draw.Dim.Of(about)})
		return
	}
	p.lines = append(p.lines, draw.Line{draw.Accent.Of("  " + mark + " "), draw.Plain.Of(what)})
	if about == "" {
		return
	}
	beside := th.Vertical
	if mark == th.Tunnel || mark == " " {
		beside = mark
	}
	p.lines = append(p.lines, draw.Line{draw.Accent.Of("  " + beside + " "), draw.Dim.Of(th.Shorten(about, p.width-5))})
}

// mostNetworks is the most networks that the picture has at either end.
const mostNetworks = 3

// pathPicture draws the way of a packet from this host's networks to those behind the far end. It
// goes from top to bottom, which fits every width.
func pathPicture(th draw.Theme, t nm.Tunnel, hop *kernel.Hop, lans []string, width int) []draw.Line {
	p := &picture{theme: th, width: width}
	p.near(lans)
	p.row(th.Vertical, "", "")
	p.row(th.Active, "this host", "inner "+draw.Prefixes(t.Addresses))
	about := "outer address"
	if hop != nil && hop.Dev != "" {
		about += ", by " + fault.Printable(hop.Dev)
		if hop.Via.IsValid() {
			about += " via " + hop.Via.String()
		}
	}
	p.row(th.Vertical, gre.OuterText(t.Local), about)
	p.row(th.Tunnel, fault.Printable(t.Name), tunnelText(t))
	p.row(th.Vertical, gre.OuterText(t.Remote), "outer address")
	inner := "inner address not known"
	if t.PeerAddress.IsValid() {
		inner = "inner " + t.PeerAddress.String()
	}
	p.row(th.Active, "the far end", inner)
	p.row(th.Vertical, "", "")
	p.beyond(t)
	return p.lines
}

// near are this side's networks.
func (p *picture) near(lans []string) {
	if len(lans) == 0 {
		p.row(" ", "this host alone", "")
	}
	for i, lan := range lans {
		if i == mostNetworks {
			p.row(" ", fmt.Sprintf("and %d more", len(lans)-i), "")
			return
		}
		net, by, _ := strings.Cut(lan, " by ")
		p.row(" ", net, "this side's network, by "+by)
	}
}

// beyond are the networks behind the far end.
func (p *picture) beyond(t nm.Tunnel) {
	var networks []string
	for _, r := range t.Routes {
		if !r.Dst.IsSingleIP() || r.Dst.Addr() != t.PeerAddress {
			networks = append(networks, destination(r.Dst))
		}
	}
	if len(networks) == 0 {
		p.row(" ", "the far end alone", "no routes")
	}
	for i, net := range networks {
		if i == mostNetworks {
			p.row(" ", fmt.Sprintf("and %d more", len(networks)-i), "")
			return
		}
		p.row(" ", net, "behind the far end")
	}
}

func destination(p netip.Prefix) string {
	if p.Bits() == 0 {
		return "everything"
	}
	return p.String()
}

// tunnelText gives the mode of the tunnel, its keys, TTL and MTU.
func tunnelText(t nm.Tunnel) string {
	out := t.Mode.String()
	switch {
	case t.InputKey == nil && t.OutputKey == nil:
	case t.InputKey != nil && t.OutputKey != nil && *t.InputKey == *t.OutputKey:
		out += ", key " + t.InputKey.String()
	default:
		out += ", keys " + fault.OrNone(gre.KeyText(t.InputKey)) + " in, " + fault.OrNone(gre.KeyText(t.OutputKey)) + " out"
	}
	return out + fmt.Sprintf(", ttl %s, mtu %s", gre.TTLText(t.TTL), draw.MTUText(t.MTU))
}
