package far

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"nmgre"
	"nmgre/cmd/nmgre/ssh"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// Existing returns the near end that is there already: the tunnel of that name, or without a name
// the only one to that far end. It is nil if there is none.
func (n *Near) Existing(ctx context.Context, name string, remote netip.Addr) (*nmgre.Status, error) {
	all, err := n.at().List(ctx)
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
		return nil, fault.Invalid("", fmt.Sprintf("name one of them: nmgre pair %s %s", fault.ShellWord(n.Name), names[0]), "%d tunnels lead to %s: %s", len(found), fault.Printable(n.Name), strings.Join(fault.FirstFew(names), ", "))
	}
	return &found[0], nil
}

// Mended is a far end that was made, or changed, to match the near one.
type Mended struct {
	Near    nmgre.Status
	Report  verify.Report // of the near end
	Far     pair.Report
	FarName string
	Changes []string // to an end that was there; none if it matched, or was made
}

// PlanMend plans the far end of a tunnel that is there, and changes nothing.
func (n *Near) PlanMend(ctx context.Context, b *Both, own *pair.Hello, near nmgre.Status) error {
	t := near.Tunnel.WithKept(near.Kept)
	b.wish.Near, b.wish.There, b.wish.Taken = t, true, pair.Taken(own, b.hello, t.Name)
	mirror, err := n.at().FarEnd(ctx, t)
	if err != nil {
		return err
	}
	ask, notes, err := b.wish.Far(mirror, t, b.hello)
	if err != nil {
		return err
	}
	ask.Mend, ask.Taken = true, b.wish.Taken
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
	defer n.Watch()()
	b.line.busy = true
	w := &mending{making: making{Near: n, both: b, Result: Result{FarName: b.Far.Name, Host: n.Name}}, near: near}
	err := w.carryOut(ctx)
	if err != nil {
		err = errors.Join(w.failed(ctx, err), w.undo(context.WithoutCancel(ctx)))
		return Mended{}, err
	}
	b.line.over()
	_ = forget(filepath.Join(string(n.Doubt), near.Tunnel.Name)) // there may be none
	m := Mended{Report: w.report, Far: w.Far, FarName: b.Far.Name, Changes: b.Far.Changes}
	m.Near, err = n.Host.Show(ctx, near.UUID)
	return m, err
}

// mending is a far end while it is made to match.
type mending struct {
	making
	near   nmgre.Status
	report verify.Report
	mtu    bool // the near end has got the far one's MTU
	raised bool // the near end was down
}

// carryOut takes the steps, until one fails.
func (w *mending) carryOut(ctx context.Context) error {
	l := w.both.line
	hear := func(ctx context.Context, word pair.Type) (m pair.Message, err error) { return w.hear(ctx, l, word) }
	for _, step := range []func() error{
		func() error {
			if w.near.State == nm.StateActive {
				return nil
			}
			w.raised = true
			return second(w.quiet().Up(ctx, w.near.UUID))
		},
		func() error { return l.say(pair.Message{Type: pair.Make, MTU: w.both.mtu}) },
		func() error { _, err := hear(ctx, pair.Up); return err },
		func() error { return w.smaller(ctx) },
		func() error { return l.say(pair.Message{Type: pair.Prove}) },
		func() error {
			m, err := hear(ctx, pair.Proved)
			if err == nil && m.Report != nil {
				w.Far = *m.Report
			}
			return err
		},
		func() (err error) { // only now the far end is as it is to be
			w.report, err = w.making.Near.Host.Verify(ctx, w.near.UUID, verify.Options{NoProbe: w.NoProbe})
			return err
		},
		func() error { return w.judge(w.report) },
		func() error {
			if w.Ask == nil {
				return nil
			}
			return w.Ask(ctx, w.report)
		},
		func() error { return l.say(pair.Message{Type: pair.Save}) },
		func() error { _, err := hear(context.WithoutCancel(ctx), pair.Saved); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// quiet is the near host without a question of its own.
func (w *mending) quiet() *nmgre.Host {
	host := *w.making.Near.Host
	host.Confirm = nil
	return &host
}

// smaller gives the near end the MTU of both.
func (w *mending) smaller(ctx context.Context) error {
	mtu := w.both.mtu
	if w.near.Tunnel.MTU == 0 || mtu >= w.near.Tunnel.MTU {
		return nil
	}
	w.Tell(fmt.Sprintf("MTU %d here, too: more does not fit at %s", mtu, fault.Printable(w.Name)))
	w.mtu = true
	return w.setMTU(ctx, mtu)
}

// undo gives the near end its own MTU again, and takes it down if it was.
func (w *mending) undo(ctx context.Context) (err error) {
	if w.mtu {
		err = w.setMTU(ctx, w.near.Tunnel.MTU)
	}
	if w.raised {
		err = errors.Join(err, second(w.quiet().Down(ctx, w.near.UUID)))
	}
	return err
}

func (w *mending) setMTU(ctx context.Context, mtu uint32) error {
	host := w.quiet()
	planned, err := host.PlanEdit(ctx, w.near.UUID, func(t *nm.Tunnel) error { t.MTU = mtu; return nil })
	if err == nil && len(planned.Changes) > 0 {
		_, err = host.Edit(ctx, planned, nmgre.EditOptions{NoProbe: true})
	}
	return err
}

// MakeFar makes the far end of the tunnel with that UUID, or changes it to match.
func (a App) MakeFar(ctx context.Context, host *nmgre.Host, name, uuid string, tell func(string)) error {
	opts := ssh.Options{Host: name, Told: func(line string) { tell(fault.Printable(name) + ": " + line) }}
	if err := ssh.CheckHost(name); err != nil {
		return err
	}
	n := a.near(host, opts)
	n.Tell = tell
	both, err := n.Plan(ctx, pair.Wish{Near: nm.NewTunnel()}, uuid)
	if err == nil {
		_, err = n.Mend(ctx, both, *both.There)
	}
	return err
}
