package tui

import (
	"fmt"
	"net/netip"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// previewKeys are those of the page that shows what will be done.
func (w *wizard) previewKeys() []binding {
	apply := "make it"
	if w.edit {
		apply = "change it"
	}
	return append([]binding{
		{keys: []string{"enter", "a"}, hint: apply, help: apply + ", as it stands here", why: w.shell.ChangeWhy(), do: func() tea.Cmd { return w.start() }},
		{keys: []string{"ctrl+p", "b", "left", "h"}, hint: "back", help: "back to the answers; nothing is lost", do: func() tea.Cmd { return w.toPage(formPages - 1) }},
		{keys: []string{"esc"}, hint: "leave", help: "leave the wizard (asks first)", do: func() tea.Cmd { return w.Leave() }},
		{keys: []string{"y"}, hint: "copy", help: "copy the command that does the same", do: func() tea.Cmd { w.shell.Copy("the command that does the same", w.sameCommand()); return nil }},
	}, scrollKeys(&w.windows[pagePreview])...)
}

// sameCommand is nmgre's command line for what the wizard is about to do.
func (w *wizard) sameCommand() string {
	if w.change != nil {
		return editCommand(w.was.Tunnel.Name, *w.change)
	}
	return createCommand(w.plan.Tunnel)
}

// createCommand adds to the domain's command what that leaves out.
func createCommand(t nm.Tunnel) string {
	words := t.CreateCommand()
	if !strings.Contains(words, "--snat") {
		for _, s := range t.SNAT {
			words += " --snat " + s.String()
		}
	}
	if t.Forward && !strings.Contains(words, "--forward") {
		words += " --forward"
	}
	if t.ClampMSS && !strings.Contains(words, "--clamp-mss") {
		words += " --clamp-mss"
	}
	return words
}

// editCommand is the change as a command: edit takes create's flags, of lists all that shall be
// there.
func editCommand(name string, p plan.EditPlan) string {
	words := "nmgre edit " + quote(name)
	lists := map[string][]string{"address": texts(p.After.Addresses), "route": texts(p.After.Routes), "snat": texts(p.After.SNAT)}
	told := make(map[string]bool)
	for _, c := range p.Changes {
		values, isList := lists[c.Field]
		if !isList {
			values = []string{c.New}
		}
		for _, v := range values {
			if !told[c.Field] {
				words += " --" + c.Field + "=" + quote(v)
			}
		}
		told[c.Field] = isList
	}
	return words
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = item.String()
	}
	return out
}

// previewLines show what will be done: the path, the notes, each step with its reason and its
// commands.
func (w *wizard) previewLines(th theme, width int) []line {
	var lines []line
	if w.danger != "" {
		lines = append(lines, wrapped(th.warn+" "+w.danger, width-1, " ", red)...)
		lines = append(lines, text(""))
	}
	switch {
	case w.change != nil:
		return append(lines, editLines(th, w.was.Tunnel.Name, w.change, width)...)
	case w.plan == nil:
		return lines
	}
	p := w.plan
	lines = append(lines, pathPicture(th, p.Tunnel, w.hop, w.ownLANs(), width)...)
	lines = append(lines, text(""))
	lines = append(lines, planLines(th, p, width)...)
	lines = append(lines, styled(" The same by one command:", bold))
	return append(lines, command(fault.Printable(createCommand(p.Tunnel)), width-1, "   ")...)
}

// planLines are the notes of a plan, its steps, and who will hold each route.
func planLines(th theme, p *plan.Plan, width int) []line {
	lines := append(noteLines(th, p.Notes, width), stepLines(p.Steps, width)...)
	return append(lines, ownerLines(p.Routes, width)...)
}

func noteLines(th theme, notes []string, width int) []line {
	var lines []line
	for _, note := range notes {
		st := plain
		if strings.HasPrefix(note, "warning:") {
			st = yellow
			note = th.warn + " " + strings.TrimSpace(strings.TrimPrefix(note, "warning:"))
		}
		lines = append(lines, wrapped(fault.Printable(note), width-1, " ", st)...)
	}
	if len(lines) > 0 {
		lines = append(lines, text(""))
	}
	return lines
}

// stepLines are the plan's steps, as a person would type them too.
func stepLines(steps []plan.Step, width int) []line {
	var lines []line
	for i, s := range steps {
		lines = append(lines, wrapped(fmt.Sprintf("%d. %s", i+1, fault.Printable(s.What)), width-1, " ", bold)...)
		if s.Why != "" {
			lines = append(lines, wrapped(fault.Printable(s.Why), width-1, "    ", dim)...)
		}
		for _, c := range s.Commands {
			lines = append(lines, command(fault.Printable(c), width-1, "    $ ")...)
		}
	}
	return append(lines, text(""))
}

// maxOwners bounds how many routes are told one by one.
const maxOwners = 20

// ownerLines say who will hold each route.
func ownerLines(set []nm.Owned, width int) []line {
	if len(set) == 0 {
		return nil
	}
	lines := []line{styled(" Who holds the routes:", bold)}
	for i, o := range set {
		if i == maxOwners {
			lines = append(lines, text(fmt.Sprintf("   and %d more", len(set)-maxOwners)))
			break
		}
		lines = append(lines, wrapped(o.Route.String()+": "+ownerText(o.Owner), width-1, "   ", plain)...)
		lines = append(lines, wrapped(o.Why, width-1, "     ", dim)...)
	}
	return append(lines, text(""))
}

// editLines are the difference, and whether the tunnel stays up.
func editLines(th theme, name string, e *plan.EditPlan, width int) []line {
	var lines []line
	for _, c := range e.Changes {
		lines = append(lines, line{bold.of(" " + c.Field)})
		lines = append(lines, wrapped("- "+firstOf(fault.Printable(c.Old), "none"), width-1, "   ", red)...)
		lines = append(lines, wrapped("+ "+firstOf(fault.Printable(c.New), "none"), width-1, "   ", green)...)
	}
	lines = append(lines, text(""))
	say, st := th.pass+" The tunnel stays up", green
	if e.Flaps {
		say, st = th.warn+" The tunnel goes down and comes up again", yellow
	}
	if e.Why != "" {
		say += ": " + fault.Printable(e.Why)
	}
	lines = append(lines, wrapped(say, width-1, " ", st)...)
	lines = append(lines, text(""))
	lines = append(lines, noteLines(th, e.Notes, width)...)
	lines = append(lines, stepLines(e.Steps, width)...)
	lines = append(lines, styled(" The same by one command:", bold))
	return append(lines, command(fault.Printable(editCommand(name, *e)), width-1, "   ")...)
}

// ownLANs are the networks of this host that are not the way to the far end.
func (w *wizard) ownLANs() []string {
	var lans []string
	for _, l := range w.links {
		if l.GRE != nil || !l.Up || w.hop != nil && l.Name == w.hop.Dev {
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
	theme theme
	width int
	lines []line
}

// row is a station of the path, or the way between two. Where there is no room beside it, what
// there is to say of it stands below.
func (p *picture) row(mark, what, about string) {
	th := p.theme
	if p.width >= narrowBelow-4 {
		p.lines = append(p.lines, line{accent.of("  " + mark + " "), plain.of(th.fit(what, 21) + " "), dim.of(about)})
		return
	}
	p.lines = append(p.lines, line{accent.of("  " + mark + " "), plain.of(what)})
	if about == "" {
		return
	}
	beside := th.vertical
	if mark == th.tunnel || mark == " " {
		beside = mark
	}
	p.lines = append(p.lines, line{accent.of("  " + beside + " "), dim.of(th.shorten(about, p.width-5))})
}

// mostNetworks is how many networks the picture has at either end.
const mostNetworks = 3

// pathPicture draws the way of a packet from this host's networks to those behind the far end, from
// above to below: that fits every width.
func pathPicture(th theme, t nm.Tunnel, hop *kernel.Hop, lans []string, width int) []line {
	p := &picture{theme: th, width: width}
	p.near(lans)
	p.row(th.vertical, "", "")
	p.row(th.active, "this host", "inner "+prefixes(t.Addresses))
	about := "outer address"
	if hop != nil && hop.Dev != "" {
		about += ", by " + fault.Printable(hop.Dev)
		if hop.Via.IsValid() {
			about += " via " + hop.Via.String()
		}
	}
	p.row(th.vertical, gre.OuterText(t.Local), about)
	p.row(th.tunnel, fault.Printable(t.Name), tunnelText(t))
	p.row(th.vertical, gre.OuterText(t.Remote), "outer address")
	inner := "inner address not known"
	if t.PeerAddress.IsValid() {
		inner = "inner " + t.PeerAddress.String()
	}
	p.row(th.active, "the far end", inner)
	p.row(th.vertical, "", "")
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

// tunnelText says what the tunnel is.
func tunnelText(t nm.Tunnel) string {
	out := t.Mode.String()
	switch {
	case t.InputKey == nil && t.OutputKey == nil:
	case t.InputKey != nil && t.OutputKey != nil && *t.InputKey == *t.OutputKey:
		out += ", key " + t.InputKey.String()
	default:
		out += ", keys " + fault.OrNone(gre.KeyText(t.InputKey)) + " in, " + fault.OrNone(gre.KeyText(t.OutputKey)) + " out"
	}
	return out + fmt.Sprintf(", ttl %s, mtu %s", gre.TTLText(t.TTL), mtuText(t.MTU))
}
