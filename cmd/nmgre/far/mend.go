package far

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// Existing returns the near end that is there already: the tunnel of that name, or without a name
// the only one to that far end. It is nil if there is none.
func (n *Near) Existing(ctx context.Context, name string, remote netip.Addr) (*nmgre.Status, error) {
	all, err := n.Host.List(ctx)
	if err != nil {
		return nil, err
	}
	fits := func(s nmgre.Status) bool {
		if name != "" {
			return s.Tunnel.Name == name || s.ID == name || s.UUID == name
		}
		return remote.IsValid() && s.Tunnel.Remote == remote
	}
	found := slices.DeleteFunc(all, func(s nmgre.Status) bool { return s.State == nm.StateExternal || s.Trial || !fits(s) })
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		var names []string
		for _, s := range found {
			names = append(names, fault.Operand(s.Tunnel.Name))
		}
		return nil, fault.Invalid("", fmt.Sprintf("name one of them: nmgre pair %s %s", fault.ShellWord(n.Name), names[0]), "%d tunnels lead to %s: %v", len(found), fault.Printable(n.Name), fault.FirstFew(names))
	}
	return &found[0], nil
}

// Mended is a far end that was made, or changed, to match the near one.
type Mended struct {
	Near    nmgre.Status
	Report  verify.Report // of the near end
	Far     pair.Report
	FarName string
	Command string   // of an end that was made
	Changes []string // to an end that was there; none if it matched
	Notes   []string
	Made    bool
}

// PlanMend plans the far end of a tunnel that is there, and changes nothing.
func (n *Near) PlanMend(ctx context.Context, b *Both, near nmgre.Status) error {
	t := near.Tunnel.WithKept(near.Kept)
	b.wish.Near = t
	mirror, err := n.Host.FarEnd(ctx, t)
	if err != nil {
		return err
	}
	ask, notes, err := b.wish.Far(mirror, t, b.hello)
	if err != nil {
		return err
	}
	ask.Mend = true
	b.Notes = append(b.Notes, notes...)
	if err := b.line.say(ask); err != nil {
		return err
	}
	if b.Far, err = n.hear(ctx, b.line, pair.Planned); err != nil {
		return err
	}
	if b.mtu = t.MTU; b.Far.MTU != 0 && (t.MTU == 0 || b.Far.MTU < t.MTU) {
		b.mtu = b.Far.MTU
	}
	return nil
}

// Mend makes the far end of a tunnel that is there, or changes it to match. It is saved when both
// ends have proved it; otherwise the far end undoes it. The near end gets the far one's MTU if that
// is smaller.
func (n *Near) Mend(ctx context.Context, b *Both, near nmgre.Status) (Mended, error) {
	defer b.Leave()
	m := Mended{FarName: b.Far.Name, Command: b.Far.Command, Changes: b.Far.Changes, Made: !b.Far.Mend}
	host, l := *n.Host, b.line
	if near.State != nm.StateActive {
		if _, err := host.Up(ctx, near.UUID); err != nil {
			return m, err
		}
	}
	w := &making{Near: n, both: b, Result: Result{FarName: b.Far.Name, Host: n.Name}}
	err := l.say(pair.Message{Type: pair.Make, MTU: b.mtu})
	if err == nil {
		_, err = n.hear(ctx, l, pair.Up)
	}
	if err == nil {
		err = n.smaller(ctx, b, near)
	}
	if err == nil {
		err = l.say(pair.Message{Type: pair.Prove})
	}
	if err == nil {
		m.Report, err = n.Host.Verify(ctx, near.UUID, verify.Options{NoProbe: n.NoProbe})
	}
	var proved pair.Message
	if err == nil {
		proved, err = n.hear(ctx, l, pair.Proved)
	}
	if err == nil && proved.Report != nil {
		w.Far = *proved.Report
		err = w.judge(m.Report)
	}
	if err == nil && n.Ask != nil {
		err = n.Ask(ctx, m.Report)
	}
	if err == nil {
		err = l.say(pair.Message{Type: pair.Save})
	}
	if err == nil {
		_, err = n.hear(context.WithoutCancel(ctx), l, pair.Saved)
	}
	if err != nil {
		return m, w.failed(ctx, err)
	}
	m.Far = w.Far
	m.Near, err = n.Host.Show(ctx, near.UUID)
	return m, err
}

// smaller gives the near end the MTU of both.
func (n *Near) smaller(ctx context.Context, b *Both, near nmgre.Status) error {
	if near.Tunnel.MTU == 0 || b.mtu >= near.Tunnel.MTU {
		return nil
	}
	n.Tell(fmt.Sprintf("MTU %d here, too: more does not fit at %s", b.mtu, fault.Printable(n.Name)))
	planned, err := n.Host.PlanEdit(ctx, near.UUID, func(t *nm.Tunnel) error { t.MTU = b.mtu; return nil })
	if err != nil {
		return err
	}
	host := *n.Host
	host.Confirm = nil
	_, err = host.Edit(ctx, planned, nmgre.EditOptions{NoProbe: true})
	return errors.Join(err)
}
