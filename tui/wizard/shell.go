package wizard

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/kernel"
	"nmgre/tui/answers"
)

// Workflow is what the wizard needs of the workflow on a host. Names of tunnels are UUIDs.
type Workflow interface {
	Links(ctx context.Context) ([]kernel.Link, error)
	Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error)
	FarEnd(ctx context.Context, t nm.Tunnel) (nm.Tunnel, error)

	Plan(ctx context.Context, want nm.Tunnel) (plan.Plan, error)
	Create(ctx context.Context, planned plan.Plan, opts nmgre.CreateOptions) (nmgre.Created, error)
	PlanEdit(ctx context.Context, name string, change func(*nm.Tunnel) error) (plan.EditPlan, error)
	Edit(ctx context.Context, planned plan.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error)
	Delete(ctx context.Context, name string) (nm.Profile, error)
}

// Shell is what the wizard needs of the program around it. All of it is called on the main loop,
// but for the function that Confirm returns.
type Shell interface {
	worker
	notes
	guard

	// Host is what is known of the host now.
	Host() answers.Host
	// Ask puts a question on top of the wizard; then is called when the answer is yes.
	Ask(title, text, yes, no string, then func() tea.Cmd)
	// Copy gives a text to the terminal's clipboard. The name of the text is told.
	Copy(name, text string)
	// Close takes the wizard off the screen.
	Close() tea.Cmd
}

// worker runs what takes time beside the screen.
type worker interface {
	// Read runs do, which changes nothing, and then calls then on the main loop.
	Read(name string, do func(context.Context, Workflow) error, then func(error) tea.Cmd) tea.Cmd
	// Change runs do, which changes the host, likewise. Afterwards the screen shows the host anew.
	Change(work Work, do func(context.Context, Workflow) error, then func(error) tea.Cmd) tea.Cmd
	// Stop ends the change that runs, and has it undone.
	Stop()
	// ChangeWhy says why nothing can be changed now; empty if it can.
	ChangeWhy() string
	// After calls then on the main loop when the rest has passed.
	After(rest time.Duration, then func() tea.Cmd) tea.Cmd
}

// notes are the line that says what happened last.
type notes interface {
	Say(text string)
	Warn(text string)
	Fail(err error)
}

// guard keeps what has been changed so that it can be undone, and undoes what may have cut the
// person off.
type guard interface {
	// Danger finds out whether the person's own connection goes through the tunnel that is changed
	// (nil for a new one), or through the routes of the tunnel it becomes. It hands on a warning;
	// an empty one if there is no danger.
	Danger(changed *nmgre.Status, becomes nm.Tunnel, then func(warning string) tea.Cmd) tea.Cmd
	// Made shows the tunnel that has been made, and remembers how to undo it. Where there is
	// danger the person has to confirm it first.
	Made(uuid string, back Undo, danger bool) tea.Cmd
	// Confirm returns a function that asks the person to confirm a change before it is saved. The
	// goroutine of the change calls it; it waits for the answer.
	Confirm(back Undo) func(context.Context, verify.Report) error
	// Changed remembers how to undo a change.
	Changed(back Undo)
}

// Work is a change of the host. Its functions are told what it does; an operation that has the
// terminal to itself calls them from its own goroutine.
type Work struct {
	Name    string // for the person: "make gre1"
	Root    bool   // what root keeps is changed too
	Step    func(nmgre.Event)
	Check   func(verify.Check)
	Advance func(done, total int)
}

// Undo undoes a change.
type Undo struct {
	Done string // what was done: "made gre1"
	How  string // what will be done: "delete gre1"
	Root bool   // what root keeps is changed too
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
