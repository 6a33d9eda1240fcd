package far

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/routes/fault"
)

// theirs returns the far end's tunnel whose other end is missing here. It is nil if there is none.
func (n *Near) theirs(b *Both, near *pair.Hello, name string) (*pair.Ends, error) {
	found := b.wish.Theirs(near, b.hello, name)
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		var names []string
		for _, e := range found {
			names = append(names, fault.Operand(e.Name))
		}
		return nil, fault.Invalid("", fmt.Sprintf("name one of them: nmgre pair %s %s; or make another one, with --key", fault.ShellWord(n.Name), names[0]),
			"%d tunnels of %s lead here, and have no other end: %s", len(found), fault.Printable(n.Name), strings.Join(fault.FirstFew(names), ", "))
	}
	return &found[0], nil
}

// planTheirs plans this end as the mirror of a tunnel that the far end has already. That one is
// changed only where this end cannot follow it, as with an MTU that does not fit here.
func (n *Near) planTheirs(ctx context.Context, b *Both, near *pair.Hello, theirs pair.Ends) error {
	if err := b.line.say(pair.Message{Type: pair.Show, Name: theirs.Name}); err != nil {
		return err
	}
	shown, err := n.hear(ctx, b.line, pair.Shown)
	if err != nil {
		return err
	}
	mirror, err := pair.ParseTunnel(shown)
	if err != nil {
		return err
	}
	b.Notes = append(b.Notes, fmt.Sprintf("%s is there at %s already: this end is made to match it", fault.Printable(theirs.Name), fault.Printable(n.Name)))
	notes, err := b.wish.Match(n.Name, theirs, mirror, near, b.hello)
	b.Notes = append(b.Notes, notes...)
	if err == nil {
		err = b.wish.Near.Validate()
	}
	if err == nil {
		b.Near, err = n.at().Plan(ctx, b.wish.Near)
	}
	if err != nil {
		return err
	}
	want := b.wish // the far end's MTU comes down to the one that fits here
	want.Near.MTU = b.Near.Tunnel.MTU
	return n.agreeWith(ctx, b, want, true)
}

// show is the far end's part: it sends the other end of one of its tunnels. The plan that follows
// is about that tunnel.
func (v *serving) show(ctx context.Context, name string) error {
	all, err := v.at.now().List(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(s nmgre.Status) bool { return s.Tunnel.Name == name && !s.Trial })
	switch {
	case at < 0:
		return &fault.Error{Kind: fault.ErrNotFound, What: "there is no tunnel " + fault.Printable(name)}
	case all[at].State == nm.StateExternal:
		return &fault.Error{Kind: fault.ErrUnsupported, What: fault.Printable(name) + " was made by hand", Hint: "make a profile of it first: nmgre adopt " + fault.Operand(name)}
	}
	mirror, err := v.at.now().FarEnd(ctx, all[at].Tunnel.WithKept(all[at].Kept))
	switch {
	case err != nil:
		return err
	case mirror.Missing != "":
		return fault.Invalid("", "give both ends their addresses there: nmgre edit "+fault.Operand(name), "%s: %s", fault.Printable(name), mirror.Missing)
	}
	v.shown = all[at].UUID
	return v.say(pair.Message{Type: pair.Shown, Name: name, Command: mirror.CreateCommand(), AnyName: true})
}

// raised brings the end that is to be changed up, if it is down, and returns the function that
// takes it down again.
func (v *serving) raised(ctx context.Context, host *nmgre.Host) (lower func(context.Context) error, err error) {
	if v.edit.Profile.State == nm.StateActive {
		return func(context.Context) error { return nil }, nil
	}
	quiet := *host
	quiet.Confirm = nil
	if _, err := quiet.Up(ctx, v.edit.Profile.UUID); err != nil {
		return nil, err
	}
	lower = func(ctx context.Context) error { return second(quiet.Down(ctx, v.edit.Profile.UUID)) }
	again, err := host.PlanEdit(ctx, v.edit.Profile.UUID, func(t *nm.Tunnel) error { pair.Mend(t, v.want); return nil })
	if err != nil {
		return lower, err
	}
	v.edit = &again
	return lower, nil
}

func second[T any](_ T, err error) error { return err }
