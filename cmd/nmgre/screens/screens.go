// Package screens is this host as the screens need it: the verbs of package nmgre, each beside a
// process that undoes its work if this one is killed. Begin at [New].
package screens

import (
	"context"
	"os"
	"slices"
	"time"

	"nmgre"
	"nmgre/cmd/nmgre/adapters"
	"nmgre/cmd/nmgre/calls"
	"nmgre/cmd/nmgre/screens/remember"
	"nmgre/cmd/nmgre/watchdog"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/kernel"
	"nmgre/tui"
)

// Host is a [tui.Workflow].
type Host struct {
	*nmgre.Host
	doors   adapters.Doors
	session func() nmgre.Session // that the person sits at
	exe     string               // this program; see [watchdog.Start]
	pair    Pair
}

// Pair makes the far end of a tunnel on another host, and tells of its steps.
type Pair func(ctx context.Context, h *nmgre.Host, host, uuid string, tell func(string)) error

// WithPair returns the host with a function that makes far ends.
func (h *Host) WithPair(pair Pair) *Host {
	h.pair = pair
	return h
}

// Pair makes the far end of a tunnel.
func (h *Host) Pair(ctx context.Context, host, uuid string) error {
	return h.pair(ctx, h.Host, host, uuid, func(line string) {
		if h.Progress != nil {
			h.Progress(nmgre.Event{What: line})
		}
	})
}

// New returns the host behind the doors. session finds the session that the person sits at, and exe
// is this program; see [watchdog.Start].
func New(d adapters.Doors, session func() nmgre.Session, exe string) *Host {
	return &Host{Host: &nmgre.Host{System: d.System(), Listed: true}, doors: d, session: session, exe: exe}
}

// Manager returns NetworkManager's version, and the caller's permissions.
func (h *Host) Manager(ctx context.Context) (nm.Manager, error) {
	return h.Profiles.Manager(ctx)
}

// Edit edits a tunnel, beside a process that undoes the edit if this one is killed.
func (h *Host) Edit(ctx context.Context, planned plan.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error) {
	dog := watchdog.Start(h.exe)
	defer dog.Done()
	return h.Host.Edit(ctx, planned, opts)
}

// Up brings a tunnel up. While the person is asked about that, a process is beside this one, as
// with Edit; so it is with the other changes.
func (h *Host) Up(ctx context.Context, name string) (nm.Profile, error) {
	return watchdog.Asking(h.Host, h.exe, "down "+name).Up(ctx, name)
}

// Down takes a tunnel down.
func (h *Host) Down(ctx context.Context, name string) (nm.Profile, error) {
	return watchdog.Asking(h.Host, h.exe, "up "+name).Down(ctx, name)
}

// Delete deletes a tunnel.
func (h *Host) Delete(ctx context.Context, name string) (nm.Profile, error) {
	return watchdog.Asking(h.Host, h.exe, "up "+name).Delete(ctx, name)
}

// Create makes a tunnel.
func (h *Host) Create(ctx context.Context, planned plan.Plan, opts nmgre.CreateOptions) (nmgre.Created, error) {
	return watchdog.Asking(h.Host, h.exe, "").Create(ctx, planned, opts)
}

// Links returns the host's devices.
func (h *Host) Links(ctx context.Context) ([]kernel.Link, error) { return h.Kernel.Links(ctx) }

// Lookup asks the kernel for a way.
func (h *Host) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	return h.Kernel.Lookup(ctx, q)
}

// Probe sends echo requests.
func (h *Host) Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	return h.Kernel.Probe(ctx, p)
}

// Notation returns the notation that the person chose for the far end of a tunnel.
func (h *Host) Notation(uuid string) string { return remember.Ours().Of(uuid) }

// Remember remembers that notation. Tunnels that are not there any more are forgotten.
func (h *Host) Remember(uuid, notation string) error {
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	profiles, err := h.Profiles.List(ctx)
	return remember.Ours().Set(uuid, notation, func(other string) bool {
		return err == nil && !slices.ContainsFunc(profiles, func(p nm.Profile) bool { return p.UUID == other })
	})
}

// listLimit is how long NetworkManager may take to tell which tunnels there are.
const listLimit = 5 * time.Second

// Prompts says whether polkit asks for a password before every change, and whether it asks before a
// change of the files that root keeps.
func (h *Host) Prompts(m nm.Manager) (always, forRoot bool) {
	return m.Modify == nm.PermissionAuth || m.Control == nm.PermissionAuth, os.Geteuid() != 0
}

// Reporting returns the same host with a listener, which is told of every step, and of every call
// to the bus and the kernel.
func (h *Host) Reporting(to tui.Listener) tui.Workflow {
	d := h.doors
	if !to.Alone {
		d.AsRoot = d.Quiet
	}
	if to.Step != nil {
		d.Profiles, d.Kernel, d.Gateway = calls.Profiles(d.Profiles, to.Step), calls.Kernel(d.Kernel, to.Step), calls.Gateway(d.Gateway, to.Step)
	}
	host := New(d, h.session, h.exe).WithPair(h.pair)
	host.Progress, host.Checked, host.Advance = to.Step, to.Check, to.Advance
	host.Confirm, host.ConfirmCut = to.Confirm, to.ConfirmCut
	if to.ConfirmCut != nil {
		host.Session = h.session
	}
	return host
}
