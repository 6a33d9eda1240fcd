package wizard

import (
	"context"
	"net/netip"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/kernel"
	"nmgre/tui/answers"
)

// Workflow has the verbs that the wizard calls. Names of tunnels are UUIDs.
type Workflow interface {
	Links(ctx context.Context) ([]kernel.Link, error)
	Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error)
	Resolve(ctx context.Context, name string, v6 bool) ([]netip.Addr, error)
	ZoneNames(ctx context.Context) ([]string, error)
	FarEnd(ctx context.Context, t nm.Tunnel) (nm.FarEnd, error)

	Plan(ctx context.Context, want nm.Tunnel) (plan.Plan, error)
	Create(ctx context.Context, planned plan.Plan, opts nmgre.CreateOptions) (nmgre.Created, error)
	PlanEdit(ctx context.Context, name string, change func(*nm.Tunnel) error) (plan.EditPlan, error)
	Edit(ctx context.Context, planned plan.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error)
	Delete(ctx context.Context, name string) (nm.Profile, error)
	// Pair makes the far end of a tunnel on another host, by ssh, which may ask on the terminal.
	Pair(ctx context.Context, host, name string) error
}

// Shell is the program around the wizard. Every method is called on the main loop.
type Shell interface {
	worker
	notes
	guard

	// Host returns the present state of the host.
	Host() answers.Host
	// Ask puts a question on top of the wizard; then is called when the answer is yes.
	Ask(title, text, yes, no string, then func() tea.Cmd)
	// Copy copies a text to the terminal's clipboard, and says so by the name of the text.
	Copy(name, text string)
	// Close takes the wizard off the screen.
	Close() tea.Cmd
}

// worker runs operations beside the screen.
type worker interface {
	// Read runs do, which changes nothing, and then calls then on the main loop.
	Read(name string, do func(context.Context, Workflow) error, then func(error) tea.Cmd) tea.Cmd
	// Change runs do, which changes the host, and then calls then. Afterwards the host is read
	// again.
	Change(work Work, do func(context.Context, Workflow) error, then func(error) tea.Cmd) tea.Cmd
	// Stop cancels the running change, which undoes its steps.
	Stop()
	// ChangeWhy says why nothing can be changed now; empty if it can.
	ChangeWhy() string
	// After calls then on the main loop when the rest has passed.
	After(rest time.Duration, then func() tea.Cmd) tea.Cmd
}

// notes write the line about the last thing that happened.
type notes interface {
	Say(text string)
	Warn(text string)
	Fail(err error)
}

// guard remembers how changes are undone, and finds those that may cut the person off.
type guard interface {
	// Danger finds out whether a change may cut the person's own connection off. It hands on a
	// warning; an empty one if there is no danger.
	Danger(e plan.Effect, then func(warning string) tea.Cmd) tea.Cmd
	// Made shows the tunnel that has been made, and remembers how to undo it.
	Made(uuid string, back Undo)
	// Changed remembers how to undo a change.
	Changed(back Undo)
}

// Work is a change of the host. Its functions are told of its steps, on the main loop.
type Work struct {
	Name    string // for the person: "make gre1"
	Root    bool   // it changes the files that root keeps
	Alone   bool   // it may ask on the terminal, whoever the person is
	Undo    Undo   // names it if the person has to confirm it
	Step    func(nmgre.Event)
	Check   func(verify.Check)
	Advance func(done, total int)
}

// Undo undoes a change.
type Undo struct {
	Done string // the change: "made gre1"
	How  string // the undo: "delete gre1"
	Root bool   // it changes the files that root keeps
	Do   func(context.Context, Workflow) error
}

// ask reads one value by the shell.
func ask[T any](sh Shell, name string, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	var got T
	return sh.Read(name, func(ctx context.Context, wf Workflow) (err error) {
		got, err = do(ctx, wf)
		return err
	}, func(err error) tea.Cmd { return then(got, err) })
}

// carryOut changes the host by the shell.
func carryOut[T any](sh Shell, work Work, do func(context.Context, Workflow) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	var got T
	return sh.Change(work, func(ctx context.Context, wf Workflow) (err error) {
		got, err = do(ctx, wf)
		return err
	}, func(err error) tea.Cmd { return then(got, err) })
}
