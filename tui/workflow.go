package tui

import (
	"context"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/kernel"
)

// Workflow is what the screens need of the workflow on a host. Its methods may be called by several
// goroutines at once, return when their context ends, and have [nmgre.Host]'s errors. NAME is a
// UUID wherever the screens give one.
type Workflow interface {
	List(ctx context.Context) ([]nmgre.Status, error)
	Show(ctx context.Context, name string) (nmgre.Status, error)
	Routes(ctx context.Context, name string) (nm.Profile, []nmgre.RouteState, error)
	Verify(ctx context.Context, name string, opts verify.Options) (verify.Report, error)
	FarEnd(ctx context.Context, t nm.Tunnel) (nm.Tunnel, error)

	Plan(ctx context.Context, want nm.Tunnel) (plan.Plan, error)
	Create(ctx context.Context, planned plan.Plan, opts nmgre.CreateOptions) (nmgre.Created, error)
	Up(ctx context.Context, name string) (nm.Profile, error)
	Down(ctx context.Context, name string) (nm.Profile, error)
	Delete(ctx context.Context, name string) (nm.Profile, error)
	// PlanEdit says what change would do to the tunnel, and does nothing. Edit does it.
	PlanEdit(ctx context.Context, name string, change func(*nm.Tunnel) error) (plan.EditPlan, error)
	Edit(ctx context.Context, planned plan.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error)

	// Manager says which NetworkManager there is, and what polkit lets the caller do.
	Manager(ctx context.Context) (nm.Manager, error)
	Links(ctx context.Context) ([]kernel.Link, error)
	Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error)
	Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error)

	// Watch tells of changes of the tunnels until ctx ends; then the channel is closed. Several
	// changes at once may be one notice.
	Watch(ctx context.Context) (<-chan nmgre.Notice, error)
	// Prompts says whether a change may ask for a password on this terminal, which then must be
	// nobody else's: every change, or one that root has to keep something for. It returns at once.
	Prompts(m nm.Manager) (always, forRoot bool)
	// Reporting returns the same workflow, which tells what it does.
	Reporting(to Listener) Workflow
}

// Listener is told what the workflow does, by the goroutine that does it. Each function may be nil.
type Listener struct {
	Step    func(nmgre.Event)     // a step has ended
	Check   func(verify.Check)    // a check of a verification has come in
	Advance func(done, total int) // so many of very many routes are set
}
