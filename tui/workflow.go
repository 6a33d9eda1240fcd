package tui

import (
	"context"
	"net/netip"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/kernel"
)

// Workflow has the verbs that the screens call, as [nmgre.Host] has them. Its methods may be called
// by several goroutines at once, return when their context ends, and have [nmgre.Host]'s errors.
// The screens give a UUID as name.
type Workflow interface {
	List(ctx context.Context) ([]nmgre.Status, error)
	Show(ctx context.Context, name string) (nmgre.Status, error)
	Routes(ctx context.Context, name string) (nm.Profile, []nmgre.RouteState, error)
	Verify(ctx context.Context, name string, opts verify.Options) (verify.Report, error)
	FarEnd(ctx context.Context, t nm.Tunnel) (nm.FarEnd, error)
	// Notation returns the notation that Remember was last given for the far end of a tunnel, or
	// the empty string.
	Notation(uuid string) string
	Remember(uuid, notation string) error

	Plan(ctx context.Context, want nm.Tunnel) (plan.Plan, error)
	Create(ctx context.Context, planned plan.Plan, opts nmgre.CreateOptions) (nmgre.Created, error)
	// PlanAdopt plans a profile for a tunnel that was made by hand; Create carries it out.
	PlanAdopt(ctx context.Context, dev string, opts adopt.Options) (adopt.Adoption, error)
	Up(ctx context.Context, name string) (nm.Profile, error)
	Down(ctx context.Context, name string) (nm.Profile, error)
	Delete(ctx context.Context, name string) (nm.Profile, error)
	// PlanEdit plans a change of a tunnel, and Edit carries it out.
	PlanEdit(ctx context.Context, name string, change func(*nm.Tunnel) error) (plan.EditPlan, error)
	Edit(ctx context.Context, planned plan.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error)

	// Pair makes the far end of a tunnel on another host, by ssh, which may ask on the terminal.
	Pair(ctx context.Context, host, name string) error

	// DownEffect returns the part of Down and Delete that decides about the ways of packets, and
	// CutsOff says whether such a part of a change may cut a session off.
	DownEffect(ctx context.Context, name string) (plan.Effect, error)
	CutsOff(ctx context.Context, e plan.Effect, s nmgre.Session) (bool, error)

	// Manager returns NetworkManager's version, and the caller's permissions.
	Manager(ctx context.Context) (nm.Manager, error)
	Links(ctx context.Context) ([]kernel.Link, error)
	Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error)
	Resolve(ctx context.Context, name string, v6 bool) ([]netip.Addr, error)
	ZoneNames(ctx context.Context) ([]string, error)
	Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error)

	// Watch sends a notice when tunnels change. It closes the channel when ctx ends. Several
	// changes may be one notice.
	Watch(ctx context.Context) (<-chan nmgre.Notice, error)
	// Prompts says whether a password may be asked for on this terminal, which must then not be
	// drawn on: for every change, or for one of the files that root keeps. It returns at once.
	Prompts(m nm.Manager) (always, forRoot bool)
	// Reporting returns the same workflow with a listener.
	Reporting(to Listener) Workflow
}

// Listener is told of the steps of a workflow, and asked, by the goroutine that takes them. Each
// function may be nil.
type Listener struct {
	Step    func(nmgre.Event)     // a step has ended
	Check   func(verify.Check)    // a check of a verification has ended
	Advance func(done, total int) // how many of very many routes are set
	// Confirm asks whether a change that is made may stay, as [nmgre.Host] does. It is undone if
	// Confirm returns an error.
	Confirm func(context.Context, verify.Report) error
	// Alone says that the terminal may be asked on: no screen is drawn there.
	Alone bool
	// ConfirmCut takes the place of Confirm for changes that may cut off the person's session.
	ConfirmCut func(context.Context, verify.Report) error
}
