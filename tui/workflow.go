package tui

import (
	"context"

	"nmgre"
)

// Workflow is what the screens need of the workflow on a host. Its methods may be called by several goroutines at once, return when
// their context ends, and have [nmgre.Host]'s errors. NAME is a UUID wherever the screens give one.
type Workflow interface {
	List(ctx context.Context) ([]nmgre.Status, error)
	Show(ctx context.Context, name string) (nmgre.Status, error)
	Routes(ctx context.Context, name string) (nmgre.Profile, []nmgre.RouteState, error)
	Verify(ctx context.Context, name string, opts nmgre.VerifyOptions) (nmgre.Report, error)
	FarEnd(ctx context.Context, t nmgre.Tunnel) (nmgre.Tunnel, error)

	Plan(ctx context.Context, want nmgre.Tunnel) (nmgre.Plan, error)
	Create(ctx context.Context, plan nmgre.Plan, opts nmgre.CreateOptions) (nmgre.Created, error)
	Up(ctx context.Context, name string) (nmgre.Profile, error)
	Down(ctx context.Context, name string) (nmgre.Profile, error)
	Delete(ctx context.Context, name string) (nmgre.Profile, error)
	// PlanEdit says what change would do to the tunnel, and does nothing. Edit does it.
	PlanEdit(ctx context.Context, name string, change func(*nmgre.Tunnel) error) (nmgre.EditPlan, error)
	Edit(ctx context.Context, plan nmgre.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error)

	// Manager says which NetworkManager there is, and what polkit lets the caller do.
	Manager(ctx context.Context) (nmgre.Manager, error)
	Links(ctx context.Context) ([]nmgre.Link, error)
	Lookup(ctx context.Context, q nmgre.Query) (nmgre.Hop, error)
	Probe(ctx context.Context, p nmgre.Probe) (nmgre.ProbeResult, error)

	// Watch tells of changes of the tunnels until ctx ends; then the channel is closed. Several changes at once may be one notice.
	Watch(ctx context.Context) (<-chan nmgre.Notice, error)
	// Prompts says whether a change may ask for a password on this terminal, which then must be nobody else's: every change, or one
	// that root has to keep something for. It returns at once.
	Prompts(m nmgre.Manager) (always, forRoot bool)
	// Reporting returns the same workflow, which tells what it does.
	Reporting(to Listener) Workflow
}

// Listener is told what the workflow does, by the goroutine that does it. Each function may be nil.
type Listener struct {
	Step    func(nmgre.Event)     // a step has ended
	Check   func(nmgre.Check)     // a check of a verification has come in
	Advance func(done, total int) // so many of very many routes are set
}
