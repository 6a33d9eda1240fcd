package checkup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"nmgre/nm"
	"nmgre/nm/doctor"
	"nmgre/routes/asroot"
	"nmgre/routes/fault"
	"nmgre/routes/host"
	"nmgre/routes/store"
)

// stateOf returns the state of a NetworkManager that has answered with err. absent is the state
// where it, or its bus, is not there.
func stateOf(err error, absent string) string {
	switch {
	case err == nil:
		return doctor.Runs
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, fault.ErrTimeout):
		return doctor.Silent
	}
	return absent
}

// busState returns the state of a NetworkManager to whose bus no connection came about, for err.
// Nothing was asked of NetworkManager then: it is the bus that is silent.
func busState(err error) string {
	if state := stateOf(err, doctor.NoBus); state != doctor.Silent {
		return state
	}
	return doctor.BusSilent
}

// busSet reports whether the environment names the bus, see dbus-daemon(1).
func busSet() bool { return os.Getenv("DBUS_SYSTEM_BUS_ADDRESS") != "" }

// installed reports whether NetworkManager's program is where distributions put it.
func (v *visit) installed() bool {
	return v.files.Has("usr/sbin/NetworkManager", "usr/bin/NetworkManager", "sbin/NetworkManager", "run/current-system/sw/bin/NetworkManager")
}

// manager asks NetworkManager for its version, the caller's rights, and the tunnels.
func (v *visit) manager(ctx context.Context) func(*doctor.Facts) {
	installed := v.installed()
	if v.doors.Profiles == nil {
		return func(f *doctor.Facts) {
			f.Manager.Installed = installed
			f.Unread[doctor.OfTunnels] = doctor.Failed
		}
	}
	// Rights are polkit's to tell, which may hang while NetworkManager does not: they come last.
	all, listErr := v.doors.Profiles.List(ctx)
	err := listErr
	var m nm.Manager
	if !errors.Is(err, fault.ErrNoNetworkManager) && stateOf(err, doctor.Absent) != doctor.Silent {
		m, err = v.doors.Profiles.Manager(ctx)
	}
	old := m.Version != (nm.Version{}) && m.Version.Before(nm.MinVersion)
	return func(f *doctor.Facts) {
		state := stateOf(err, doctor.Absent)
		switch {
		case old:
			state, f.Manager.Old = doctor.Runs, true
		case state == doctor.Silent && listErr == nil:
			state, f.Unread[doctor.OfRights] = doctor.Runs, doctor.Slow
		}
		f.Manager.State, f.Manager.Installed = state, installed || state == doctor.Runs
		if state != doctor.Runs || listErr != nil {
			f.Unread[doctor.OfTunnels] = doctor.Failed
			return
		}
		if m.Version != (nm.Version{}) {
			f.Manager.Version = m.Version.String()
		}
		f.Caller.Modify, f.Caller.Control = string(m.Modify), string(m.Control)
		v.listed = true
		for _, p := range all {
			if p.Tunnel.Mode != 0 {
				v.profiles = append(v.profiles, p)
				f.Tunnels = append(f.Tunnels, v.tunnel(p))
			}
		}
	}
}

func (v *visit) tunnel(p nm.Profile) doctor.Tunnel {
	t := p.Tunnel
	short := doctor.Tunnel{Mode: t.Mode.String(), State: string(p.State), Local: v.names.Address(t.Local), Remote: v.names.Address(t.Remote), MTU: t.MTU,
		Key: t.InputKey != nil || t.OutputKey != nil, Routes: len(t.Routes)}
	for _, a := range t.Addresses {
		short.Addresses = append(short.Addresses, v.names.Prefix(a))
	}
	return short
}

// hook looks at the dispatcher's hook, the dispatcher, and systemd's unit.
func (v *visit) hook(context.Context) func(*doctor.Facts) {
	files := v.store()
	script, dispatcher, unit := files.ScriptMissing(), files.DispatcherMissing(), files.UnitMissing()
	h := doctor.Hook{Installed: files.HasHook(), Dispatcher: v.trouble(dispatcher), Unit: v.trouble(unit), Systemd: v.files.Has("run/systemd/system")}
	return func(f *doctor.Facts) {
		if errors.Is(script, fault.ErrNotPermitted) {
			f.Unread[doctor.OfHook] = doctor.Refused
		}
		h.Script = v.trouble(script)
		f.Hook = h
	}
}

// trouble returns the text and the hint of an error, without private names.
func (v *visit) trouble(err error) *doctor.Trouble {
	t := doctor.TroubleOf(err)
	if t != nil {
		var names doctor.Names                                         // numbers of its own: parts run side by side
		if before, _, calls := strings.Cut(t.What, " calls "); calls { // the rest is a path of somebody's own
			t.What = before + " calls a program that is not there, or that others than root can change"
		}
		t.What, t.Hint = names.Text(t.What), names.Text(t.Hint)
	}
	return t
}

func (v *visit) store() *store.Store {
	if v.doors.Files != nil {
		return v.doors.Files
	}
	return store.New(v.Root, 0)
}

// polkit looks at nmgre's policy, and for the programs that ask for a password.
func (v *visit) polkit(context.Context) func(*doctor.Facts) {
	running := v.files.Processes()
	keeper := asroot.New(nil)
	keeper.Policy = filepath.Join(v.Root, keeper.Policy)
	program, err := keeper.Program()
	policy := doctor.PolicyOther
	switch {
	case errors.Is(err, os.ErrNotExist):
		policy = doctor.PolicyMissing
	case err != nil:
		policy = doctor.PolicyBroken
	case program == keeper.Exe:
		policy = doctor.PolicyHere
	}
	return func(f *doctor.Facts) {
		f.Polkit.Running = f.Polkit.Running || running["polkitd"]
		f.Polkit.Policy, f.Polkit.Agent = policy, host.Agent(running)
		f.Polkit.Pkexec, f.Polkit.TextAgent = v.files.Has("usr/bin/pkexec"), v.files.Has("usr/bin/pkttyagent")
	}
}

// kept compares root's files with the profiles.
func (v *visit) kept(ctx context.Context) func(*doctor.Facts) {
	var k doctor.Kept
	files := v.store()
	uuids, err := files.UUIDs(ctx)
	names := make(map[string]string, len(v.profiles))
	for _, p := range v.profiles {
		names[p.UUID] = p.Tunnel.Name
	}
	counts := make(map[string]int)
	for _, uuid := range uuids {
		if ctx.Err() != nil {
			break // a file can have a hundred thousand routes
		}
		one, err := files.Get(ctx, uuid)
		name, has := names[uuid]
		k.Files++
		switch {
		case errors.Is(err, fault.ErrNotFound): // removed meanwhile
			k.Files--
		case err != nil:
			k.Broken++
		case v.listed && !has:
			k.Orphans++
		case has && one.Name != name:
			k.Renamed++
		}
		k.BadLines += len(one.Bad)
		counts[uuid] = len(one.Routes)
	}
	tried, triedErr := files.Tried(ctx)
	for _, t := range tried {
		if t.Dead {
			k.Killed++
		}
	}
	return func(f *doctor.Facts) {
		f.Kept = k
		for i, p := range v.profiles {
			f.Tunnels[i].Kept = counts[p.UUID]
		}
		switch {
		case ctx.Err() != nil:
			f.Unread[doctor.OfKept] = doctor.Slow
		case errors.Is(errors.Join(err, triedErr), fault.ErrNotPermitted):
			f.Unread[doctor.OfKept] = doctor.Refused
		case err != nil:
			f.Unread[doctor.OfKept] = doctor.Failed
		}
	}
}
