package far

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/opposite"
	"nmgre/nm/pair"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// Server is the far end: it does as the near end says, as long as it hears of it.
type Server struct {
	In      io.Reader
	Out     io.Writer
	Open    func(context.Context) (*nmgre.Host, func(), error)
	Session nmgre.Session // of ssh
	Version string
	// Watch starts the process that undoes the work if this one is killed. It returns the function
	// that ends it.
	Watch func() func()
}

// serving is a Server at work.
type serving struct {
	Server
	*talk
	host *nmgre.Host
	at   moment    // for plans
	want nm.Tunnel // of the plan
	make *plan.Plan
	edit *plan.EditPlan
	// shown is the UUID of the tunnel that the near end has asked about.
	shown string
	look  *looking
}

// Serve talks with the near end until it has nothing more to say. Errors are told to the near end
// before they are returned.
func (s Server) Serve(ctx context.Context) error {
	v := &serving{Server: s, talk: begin(s.In, s.Out, nil)}
	defer v.end()
	defer func() {
		if v.look != nil {
			v.look.stop()
		}
	}()
	host, closeHost, err := s.Open(ctx)
	if err != nil {
		return v.fail(err)
	}
	defer closeHost()
	v.host, v.at.host = host, host
	if err := v.greet(ctx); err != nil {
		return v.fail(err)
	}
	for {
		m, err := v.next(ctx)
		if errors.Is(err, errEnded) { // nothing is under way
			return nil
		}
		if err == nil {
			err = v.answer(ctx, m)
		}
		if err != nil {
			return v.fail(err)
		}
	}
}

// fail tells the near end, and returns the error.
func (v *serving) fail(err error) error {
	_ = v.say(pair.Message{Type: pair.Failed, Failure: pair.FailureOf(err)})
	return err
}

// greet says who this host is.
func (v *serving) greet(ctx context.Context) error {
	hello, err := greeting(ctx, v.at.now(), v.Session.Client)
	if err != nil {
		return err
	}
	hello.Version, hello.Reached, hello.Client = v.Version, v.Session.Server, v.Session.Client
	hello.Host, _ = os.Hostname() // it is for people only
	return v.say(pair.Message{Type: pair.Greeting, Hello: hello})
}

// greeting is a host's first message: its links and tunnels, whether nmgre is root there, and its
// uplinks to client. There are none for the zero Addr.
func greeting(ctx context.Context, host *nmgre.Host, client netip.Addr) (*pair.Hello, error) {
	links, err := host.Kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	all, err := host.List(ctx) // removes the remains of killed processes
	if err != nil {
		return nil, err
	}
	var tunnels []nm.Profile
	for _, s := range all {
		s.Tunnel = s.Tunnel.WithKept(s.Kept)
		tunnels = append(tunnels, s.Profile)
	}
	hello := pair.HelloOf(links, tunnels)
	hello.Root = host.Kernel.CanChange()
	hello.Uplinks, err = opposite.Uplinks(ctx, host.Kernel, links, client)
	return hello, err
}

// answer carries out a message.
func (v *serving) answer(ctx context.Context, m pair.Message) error {
	switch is := func(types ...pair.Type) bool { return slices.Contains(types, m.Type) }; {
	case is(pair.Show):
		return v.show(ctx, m.Name)
	case is(pair.Plan):
		return v.plan(ctx, m)
	case is(pair.Make):
		return v.carryOut(ctx, m)
	case is(pair.Look, pair.Shoot, pair.Stop):
		return v.watch(ctx, m)
	case is(pair.Undo): // nothing is made
		return &fault.Error{What: "the other end has given up"}
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: "the other end says " + string(m.Type) + " out of turn"}
}

// plan plans the end that a message asks for, and changes nothing.
func (v *serving) plan(ctx context.Context, m pair.Message) (err error) {
	if v.want, err = pair.ParseTunnel(m); err != nil {
		return err
	}
	v.make, v.edit = nil, nil
	if m.Mend {
		if uuid, err := v.mended(ctx, m.Taken); err != nil || uuid != "" {
			return errors.Join(err, v.planEdit(ctx, uuid))
		}
		if err := v.planNew(ctx); err != nil {
			return errors.Join(err, v.elsewhere(ctx, m.Taken))
		}
		return nil
	}
	return v.planNew(ctx)
}

// elsewhere tells of a tunnel with the inner addresses of the plan that leads to another host or
// from another address: it may be the one that is meant. It may as well be somebody else's, so it
// is not changed.
func (v *serving) elsewhere(ctx context.Context, taken []string) error {
	all, err := v.at.now().List(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		t, w := s.Tunnel, v.want
		if s.State == nm.StateExternal || s.Trial || len(w.Addresses) == 0 || slices.Contains(taken, t.Name) || !slices.Equal(pair.InnerPeers(t), pair.InnerPeers(w)) {
			continue
		}
		ends := " --peer " + w.Remote.String() + " --local " + w.Local.String()
		if t.Mode != w.Mode {
			ends = " --mode " + w.Mode.String() + ends
		}
		return fault.Invalid("", "if it is the other end of this tunnel, change it first: nmgre edit "+fault.Operand(t.Name)+ends, "%s has these inner addresses, and is %s from %s to %s",
			fault.Printable(t.Name), t.Mode, addr(t.Local), addr(t.Remote))
	}
	return nil
}

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return "any"
	}
	return a.String()
}

// planNew plans a new tunnel.
func (v *serving) planNew(ctx context.Context) error {
	planned, err := v.at.now().Plan(ctx, v.want)
	if err != nil {
		return err
	}
	v.make = &planned
	answer := pair.Message{Type: pair.Planned, Name: planned.Tunnel.Name, MTU: planned.Tunnel.MTU, Notes: some(planned.Notes), Command: planned.Tunnel.CreateCommand()}
	for _, step := range planned.Steps {
		answer.Steps = append(answer.Steps, step.What)
	}
	answer.Steps = some(answer.Steps)
	return v.say(answer)
}

// mostTold is how many lines of a plan are told.
const mostTold = 200

func some(lines []string) []string { return slices.Clip(lines[:min(len(lines), mostTold)]) }

// mended returns the UUID of the tunnel that is to be mended: the one between the outer addresses
// of the plan, or the one that was shown. It is empty if there is none.
func (v *serving) mended(ctx context.Context, taken []string) (string, error) {
	if v.shown != "" {
		return v.shown, nil
	}
	all, err := v.at.now().List(ctx)
	if err != nil {
		return "", err
	}
	mine := func(s nmgre.Status) bool {
		return s.State != nm.StateExternal && !s.Trial && !slices.Contains(taken, s.Tunnel.Name)
	}
	find := func(fits func(nm.Tunnel) bool) (found []nmgre.Status) {
		for _, s := range all {
			if mine(s) && fits(s.Tunnel) {
				found = append(found, s)
			}
		}
		return found
	}
	w := v.want
	between := find(func(t nm.Tunnel) bool {
		return t.Mode == w.Mode && t.Remote == w.Remote && (t.Local == w.Local || !t.Local.IsValid() || t.Local.IsUnspecified())
	})
	if len(between) > 1 { // several tunnels between two hosts differ by their keys, or their inner addresses
		between = find(func(t nm.Tunnel) bool {
			return t.Remote == w.Remote && slices.Equal(t.Addresses, w.Addresses)
		})
	}
	if len(between) == 1 {
		return between[0].UUID, nil
	}
	return "", nil
}

// planEdit plans the change of a tunnel into the one that is wanted.
func (v *serving) planEdit(ctx context.Context, uuid string) error {
	if uuid == "" {
		return nil
	}
	planned, err := v.at.now().PlanEdit(ctx, uuid, func(t *nm.Tunnel) error { pair.Mend(t, v.want); return nil })
	if err != nil {
		return err
	}
	v.edit = &planned
	changes := planned.Diff()
	if len(planned.Changes) == 0 {
		changes = nil
	}
	return v.say(pair.Message{Type: pair.Planned, Mend: true, Name: planned.After.Name, MTU: planned.After.MTU, Changes: some(changes), Notes: some(planned.Notes)})
}

// carryOut makes the end that was planned, or mends it.
func (v *serving) carryOut(ctx context.Context, m pair.Message) error {
	defer v.Watch()()
	guarded, free := v.guard(ctx)
	defer free()
	host := *v.host
	host.Confirm = func(ctx context.Context, applied verify.Report) error {
		err := v.askSave(ctx, applied)
		if err == nil {
			free() // the word counts, whatever happens to the connection
		}
		return err
	}
	var err error
	name := ""
	switch {
	case v.make != nil:
		name, err = v.create(guarded, &host, m.MTU)
	case v.edit != nil:
		name, err = v.mend(guarded, &host)
	default:
		err = &fault.Error{Kind: fault.ErrInvalid, What: "there is no plan to carry out"}
	}
	v.make, v.edit = nil, nil
	if err != nil {
		return fault.Ended(guarded, err)
	}
	return v.say(pair.Message{Type: pair.Saved, Name: name})
}

// create makes a new end. The smaller MTU of both ends counts.
func (v *serving) create(ctx context.Context, host *nmgre.Host, mtu uint32) (string, error) {
	planned := *v.make
	if mtu != 0 && mtu != planned.Tunnel.MTU {
		want := v.want
		want.Name, want.MTU = planned.Tunnel.Name, mtu
		again, err := v.at.now().Plan(ctx, want)
		if err != nil {
			return "", err
		}
		planned = again
	}
	created, err := host.Create(ctx, planned, nmgre.CreateOptions{Up: func(ctx context.Context) error {
		if err := v.say(pair.Message{Type: pair.Up}); err != nil {
			return err
		}
		return v.wait(ctx, pair.Prove)
	}})
	return created.Status.Tunnel.Name, err
}

// mend changes the end that is there. One that needs no change is asked for its evidence alone.
func (v *serving) mend(ctx context.Context, host *nmgre.Host) (name string, err error) {
	lower, err := v.raised(ctx, host)
	if lower != nil {
		defer func() {
			if err != nil {
				err = errors.Join(err, lower(context.WithoutCancel(ctx)))
			}
		}()
	}
	if err != nil {
		return "", err
	}
	if err := v.say(pair.Message{Type: pair.Up}); err != nil {
		return "", err
	}
	if err := v.wait(ctx, pair.Prove); err != nil {
		return "", err
	}
	name = v.edit.After.Name
	if len(v.edit.Changes) > 0 {
		_, err := host.Edit(ctx, *v.edit, nmgre.EditOptions{})
		return name, err
	}
	report, err := host.Verify(ctx, v.edit.Profile.UUID, verify.Options{})
	if err != nil {
		return "", err
	}
	return name, host.Confirm(ctx, report)
}

// wait waits for the word to go on.
func (v *serving) wait(ctx context.Context, word pair.Type) error {
	m, err := v.next(ctx)
	if err == nil && m.Type != word {
		err = &fault.Error{What: "the other end has said " + string(m.Type) + ": everything is undone"}
	}
	return err
}

// askSave sends this end's report, and waits for the word to save.
func (v *serving) askSave(ctx context.Context, applied verify.Report) error {
	if err := v.say(pair.Message{Type: pair.Proved, Report: reportOf(applied)}); err != nil {
		return err
	}
	return v.wait(ctx, pair.Save)
}

// reportOf is a report in the form of a message: the checks that did not pass, and whether the
// other end answered.
func reportOf(r verify.Report) *pair.Report {
	told := &pair.Report{Verdict: string(r.Verdict), Answered: answered(r), Checks: []pair.Check{}}
	for _, c := range r.Checks {
		if c.Status == verify.Pass || len(told.Checks) >= mostTold {
			continue
		}
		told.Checks = append(told.Checks, pair.Check{ID: fault.Printable(c.ID), Status: string(c.Status), Certainty: string(c.Certainty), Summary: fault.Printable(c.Summary),
			Evidence: fault.Printable(c.Evidence), Hint: fault.Printable(c.Hint), Cause: c.Cause, Place: string(c.Place)})
	}
	return told
}

// answered reports whether the other end has answered through the tunnel.
func answered(r verify.Report) bool {
	return slices.ContainsFunc(r.Checks, func(c verify.Check) bool { return c.ID == "probe" && c.Status == verify.Pass })
}
