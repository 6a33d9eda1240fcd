package checkup

import (
	"context"
	"errors"
	"strings"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/nm"
	"nmgre/nm/doctor"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/host"
)

// NoTerminal is the text of nmgre alone where there is no terminal. It fits on one screen.
const NoTerminal = `nmgre: nmgre alone shows screens; its input or its output is no terminal, which
       they need. Without one:
Usage:
  nmgre --plain                            ask line by line, also through a pipe
  nmgre create --peer ADDR --address CIDR  make a tunnel, and prove that it works
  nmgre list | show NAME | verify NAME     look at tunnels (--json for programs)
  nmgre doctor                             look at this host: what is missing
  nmgre --help                             all commands
`

// Dumb is the text of nmgre alone on a terminal that cannot draw.
const Dumb = `nmgre: this terminal cannot draw screens (TERM is dumb, or not set).
       nmgre asks line by line; quit ends it.`

// more is the end of each hint.
const more = "; all about this host: nmgre doctor"

// First returns nil if screens are of use on this host, whose doors were opened with err. Otherwise
// its error names the obstacle, and the remedy. Nothing is drawn then.
func (h Host) First(ctx context.Context, d adapters.Doors, err error) error {
	stateFor := busState
	if err == nil {
		err = answers(ctx, d.Profiles)
		stateFor = managerState
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fault.ErrNoNetworkManager), errors.Is(err, fault.ErrTimeout):
		return h.noManager(err, stateFor(err))
	case err != nil:
		return &fault.Error{Err: err, Hint: strings.TrimPrefix(more, "; ")}
	}
	return h.noGRE(d)
}

// answers returns nil if NetworkManager answers. It is asked for a profile that nobody has: a list
// of a thousand profiles takes it so long that the person sees it.
func answers(ctx context.Context, profiles nm.Profiles) error {
	const nobody = "00000000-0000-0000-0000-000000000000"
	err := profiles.Exists(ctx, nobody)
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	return err
}

// managerState returns the state of a NetworkManager that was asked, for err.
func managerState(err error) string {
	if strings.Contains(err.Error(), "no connection to the system bus") { // it was lost
		return doctor.NoBus
	}
	return stateOf(err, doctor.Absent)
}

// noManager is the error for a host whose NetworkManager does not answer, and is in this state.
func (h Host) noManager(err error, state string) error {
	v := &visit{Host: h, files: host.Files(h.Root)}
	f := doctor.Facts{Manager: doctor.Manager{State: state, BusSet: busSet()}, System: doctor.System{Container: v.files.Container()}}
	f.Manager.Installed = v.installed()
	what, hint := doctor.NoManager(f)
	if hint == "" { // the error knows more, such as that NetworkManager is still starting
		return err
	}
	return &fault.Error{Kind: fault.ErrNoNetworkManager, What: what, Hint: hint + more}
}

// noGRE is the error for a kernel that makes no GRE tunnel at all; nil for others.
func (h Host) noGRE(d adapters.Doors) error {
	err := d.Kernel.Supports(gre.ModeGRE)
	if err == nil || d.Kernel.Supports(gre.ModeIP6GRE) == nil {
		return nil
	}
	hint := more
	if hints := fault.Hints(err); len(hints) > 0 {
		hint = hints[0] + more
	}
	if kind := host.Files(h.Root).Container(); kind != "" && kind != "unknown" {
		hint = "this is a container (" + kind + "): load the module on its host, or run nmgre there" + more
	}
	return &fault.Error{Kind: fault.ErrUnsupported, What: err.Error(), Hint: strings.TrimPrefix(hint, "; ")}
}
