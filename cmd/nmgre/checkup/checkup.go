// Package checkup reads a host for package doctor: its files, its bus, its NetworkManager, its
// kernel and its firewall. It changes nothing. Each part has a time limit of its own, so that
// nothing that hangs holds up the others. Begin at [Host.Facts].
package checkup

import (
	"context"
	"os"
	"regexp"
	"runtime"
	"sync"
	"time"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/nm"
	"nmgre/nm/dbus/census"
	"nmgre/nm/doctor"
	"nmgre/routes/gateway/owners"
	"nmgre/routes/gre"
	"nmgre/routes/host"
	"nmgre/routes/modules"
)

// limit is how long a part may take. NetworkManager itself may be silent for 8 s, see package dbus.
const limit = 10 * time.Second

// Host is a host to look at.
type Host struct {
	Root     string // "/"
	Program  doctor.Program
	Terminal doctor.Terminal
	Bus      string        // the address of the system bus; empty for the usual one
	Limit    time.Duration // how long each part may take; 0 for the usual time
	Release  string        // of the kernel; empty for the running one
	// Open opens the doors of the host, and Local those that need no NetworkManager. Tables reads
	// whose the tables of nftables are. Local and Tables are nil in tests that do not look at them.
	Open   func(context.Context) (adapters.Doors, func(), error)
	Local  func() (adapters.Doors, func(), error)
	Tables func(context.Context) (owners.Tables, error)
}

// part reads a part of the facts. The function that it returns notes them.
type part struct {
	about []doctor.Subject
	read  func(context.Context) func(*doctor.Facts)
}

// visit is one look at a host. Its later parts need the facts of the first ones.
type visit struct {
	Host
	files    host.Files
	names    doctor.Names
	doors    adapters.Doors
	profiles []nm.Profile // the tunnels
	listed   bool         // NetworkManager has told its profiles
	noBus    bool         // the bus is not there, or does not answer
}

// Facts reads the host. It takes a few times the limit at most.
func (h Host) Facts(ctx context.Context) doctor.Facts {
	f := doctor.Facts{Nmgre: h.Program, Terminal: h.Terminal, Unread: make(map[doctor.Subject]string),
		Others: []doctor.Other{}, Tunnels: []doctor.Tunnel{}, Links: []doctor.Link{}}
	f.Terminal.Name = termName(f.Terminal.Name)
	f.Firewall.Programs = []string{}
	f.Caller.Root = os.Geteuid() == 0
	v := &visit{Host: h, files: host.Files(h.Root)}
	closeAll := v.open(ctx, &f)
	defer closeAll()
	v.all(ctx, &f, []part{
		{[]doctor.Subject{doctor.OfSystem, doctor.OfContainer}, v.system}, {[]doctor.Subject{doctor.OfGRE, doctor.OfNAT}, v.modules},
		{[]doctor.Subject{doctor.OfManager, doctor.OfRights, doctor.OfTunnels}, v.manager}, {[]doctor.Subject{doctor.OfHook, doctor.OfDispatcher, doctor.OfUnit}, v.hook},
		{[]doctor.Subject{doctor.OfForwarding, doctor.OfFilter}, v.settings}, {[]doctor.Subject{doctor.OfOthers}, v.others},
		{[]doctor.Subject{doctor.OfFirewall}, v.firewall}, {[]doctor.Subject{doctor.OfPolkit}, v.polkit}, {nil, v.units},
	})
	v.all(ctx, &f, []part{
		{[]doctor.Subject{doctor.OfKept}, v.kept}, {[]doctor.Subject{doctor.OfOuter}, v.outer}, {[]doctor.Subject{doctor.OfFilter}, v.devices},
		{[]doctor.Subject{doctor.OfLinks}, v.links},
	})
	return f
}

// patience is how long a part may take.
func (v *visit) patience() time.Duration {
	if v.Limit > 0 {
		return v.Limit
	}
	return limit
}

// all reads parts side by side, and notes the facts that each has read in time.
func (v *visit) all(ctx context.Context, f *doctor.Facts, parts []part) {
	ctx, cancel := context.WithTimeout(ctx, v.patience())
	defer cancel()
	found := make([]chan func(*doctor.Facts), len(parts))
	for i, p := range parts {
		found[i] = make(chan func(*doctor.Facts), 1)
		go func() { found[i] <- p.read(ctx) }()
	}
	for i, p := range parts {
		select {
		case note := <-found[i]:
			note(f)
			continue
		default:
		}
		select {
		case note := <-found[i]:
			note(f)
		case <-v.late(ctx):
			for _, about := range p.about {
				f.Unread[about] = doctor.Slow
			}
		}
	}
}

// late returns a channel that is closed a moment after ctx has ended: a part that honours ctx knows
// more than that it was slow.
func (v *visit) late(ctx context.Context) <-chan struct{} {
	const moment = 300 * time.Millisecond
	late := make(chan struct{})
	context.AfterFunc(ctx, func() { time.Sleep(moment); close(late) })
	return late
}

// open opens the doors: all of them, or those that need no NetworkManager. The error of the bus
// becomes a state of NetworkManager's.
func (v *visit) open(ctx context.Context, f *doctor.Facts) (closeAll func()) {
	type opened struct {
		doors    adapters.Doors
		closeAll func()
		err      error
	}
	ctx, cancel := context.WithTimeout(ctx, v.patience())
	defer cancel()
	done := make(chan opened, 1)
	go func() {
		d, closeAll, err := v.Open(ctx)
		done <- opened{d, closeAll, err}
	}()
	var o opened
	select {
	case o = <-done:
	case <-v.late(ctx):
		o.err = context.DeadlineExceeded
	}
	f.Manager.State = doctor.Runs
	if o.err != nil {
		f.Manager.State, f.Manager.BusSet = busState(o.err), busSet()
		v.noBus, o = true, opened{}
		if v.Local != nil {
			o.doors, o.closeAll, o.err = v.Local()
		}
	}
	v.doors = o.doors
	f.Caller.Admin = o.doors.Kernel != nil && o.doors.Kernel.CanChange()
	if o.closeAll == nil {
		return func() {}
	}
	return o.closeAll
}

// term matches the name of a terminal.
var term = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._-]{0,39}$`) })

func termName(name string) string {
	if name == "" || term().MatchString(name) {
		return name
	}
	return "unknown"
}

func (v *visit) system(context.Context) func(*doctor.Facts) {
	s := doctor.System{Arch: runtime.GOARCH, Container: v.files.Container(), UserNamespace: v.files.UserNamespace()}
	s.ID, s.Version = v.files.Distribution()
	own, _ := os.Hostname()
	s.Kernel = doctor.Release(modules.Files{Root: v.Root, Release: v.Release}.KernelRelease(), own, os.Getenv("USER"), os.Getenv("LOGNAME"), os.Getenv("SUDO_USER"))
	return func(f *doctor.Facts) { f.System = s }
}

func (v *visit) modules(context.Context) func(*doctor.Facts) {
	files := modules.Files{Root: v.Root, Release: v.Release}
	states := make(map[string]string)
	for _, name := range []string{"ip_gre", "ip6_gre", "nf_tables", "nf_nat", "nft_chain_nat"} {
		states[name] = string(files.State(name))
	}
	for name, mode := range map[string]gre.Mode{"ip_gre": gre.ModeGRE, "ip6_gre": gre.ModeIP6GRE} {
		if v.doors.Kernel != nil && v.doors.Kernel.Supports(mode) == nil && !modules.State(states[name]).Has() {
			states[name] = doctor.InUse
		}
	}
	return func(f *doctor.Facts) { f.Modules = states }
}

// The names on the bus, and systemd's units, that are asked for.
var (
	busNames = []string{"org.freedesktop.PolicyKit1", "org.fedoraproject.FirewallD1", "net.connman", "org.freedesktop.NetworkManager"}
	units    = []string{"NetworkManager.service", "NetworkManager-dispatcher.service", "systemd-networkd.service", "firewalld.service", "nftables.service", "ufw.service",
		"networking.service", "nmgre-rules.service"}
)

// units asks the bus who is on it. Without an answer the files tell.
func (v *visit) units(ctx context.Context) func(*doctor.Facts) {
	if v.noBus {
		return func(*doctor.Facts) {}
	}
	c, err := census.Ask(ctx, v.Bus, busNames, units)
	return func(f *doctor.Facts) {
		if err != nil {
			return
		}
		if f.Manager.State == doctor.Absent && c.Owned[busNames[3]] {
			f.Manager.State = doctor.Starting // it has its name, and does not answer as it should
		}
		f.Polkit.Running = f.Polkit.Running || c.Owned[busNames[0]] || c.Startable[busNames[0]]
		if c.Owned[busNames[1]] {
			f.Firewall.Programs = withProgram(f.Firewall.Programs, "firewalld")
		}
		if c.Systemd {
			f.Units = make(map[string]doctor.Unit)
		}
		for name, u := range c.Units {
			if u.Load != "not-found" {
				f.Units[name] = doctor.Unit(u)
			}
		}
	}
}
