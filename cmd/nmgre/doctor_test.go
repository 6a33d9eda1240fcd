package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/cmd/nmgre/checkup"
	"nmgre/cmd/nmgre/release"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/doctor"
	"nmgre/routes/fault"
	"nmgre/routes/gateway/owners"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// plant writes a file below the host's root.
func (w *world) plant(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// diagnosed runs doctor --json, and returns the report and the findings about a subject.
func (w *world) diagnosed(code int) (r doctor.Report, of func(doctor.Subject) doctor.Finding) {
	w.t.Helper()
	o := w.run("doctor", "--json")
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || o.code != code {
		w.t.Fatalf("exit %d, want %d, %v\n%s%s", o.code, code, err, o.stdout, o.stderr)
	}
	return r, func(about doctor.Subject) doctor.Finding {
		at := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.ID == about })
		if at < 0 {
			w.t.Fatalf("nothing about %s", about)
		}
		return r.Findings[at]
	}
}

// wellFiles writes the files of a host on which all is well.
func (w *world) wellFiles() {
	w.plant("sys/module/ip_gre/x", "")
	w.plant("sys/module/ip6_gre/x", "")
	w.plant("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")
	w.plant("usr/sbin/NetworkManager", "")
	w.plant("proc/sys/net/ipv4/conf/all/forwarding", "1\n")
	w.plant("proc/sys/net/ipv4/conf/all/rp_filter", "2\n")
}

// doctor tells everything of a host in one go, as text and as JSON, and ends with 0 if nothing is
// wrong, with 3 if something is.
func TestDoctor(t *testing.T) {
	w := newWorld(t)
	w.wellFiles()
	w.bus.SetNames([]string{"org.freedesktop.systemd1"}, []string{"org.freedesktop.PolicyKit1"})
	w.bus.SetUnits(map[string][3]string{"NetworkManager.service": {"loaded", "active", "enabled"}})
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
	r, of := w.diagnosed(exitDone)
	for about, says := range map[doctor.Subject]string{
		doctor.OfNmgre: release.Version + " (go", doctor.OfSystem: "debian 12, Linux ", doctor.OfGRE: "ip_gre loaded", doctor.OfManager: "1.42", doctor.OfTunnels: "1: 1 active",
		doctor.OfForwarding: "IPv4 on", doctor.OfFilter: "loose (2)", doctor.OfHook: "not installed", doctor.OfKept: "nothing", doctor.OfOuter: "1 pair of ends", doctor.OfTerminal: "none",
	} {
		if got := of(about); got.Status == doctor.Problem || !strings.Contains(got.Summary, says) {
			t.Errorf("%s: %+v, want %q", about, got, says)
		}
	}
	if r.Facts.Units["NetworkManager.service"].File != "enabled" || !r.Facts.Polkit.Running || r.Facts.Tunnels[0].Remote == "" {
		t.Errorf("%+v", r.Facts)
	}
	text := w.must("doctor").stdout
	for _, want := range []string{"ok       gre ", "note     hook ", "verdict: ok, ", "hint: "} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	w.kernel.lacksGRE = true
	if err := os.RemoveAll(filepath.Join(w.root, "sys/module")); err != nil {
		t.Fatal(err)
	}
	if _, of := w.diagnosed(exitFault); of(doctor.OfGRE).Status != doctor.Problem {
		t.Errorf("without GRE: %+v", of(doctor.OfGRE))
	}
	if o := w.run("doctor", "gre1"); o.code != exitInvalid || !strings.Contains(o.stderr, "nmgre verify gre1") {
		t.Errorf("doctor gre1: exit %d, %s", o.code, o.stderr)
	}
}

// Root's files are compared with the profiles, whoever has changed either.
func TestDoctorKept(t *testing.T) {
	w := newWorld(t)
	w.wellFiles()
	w.must(createArgs...)
	if _, of := w.diagnosed(exitFault); of(doctor.OfKept).Status != doctor.OK || of(doctor.OfHook).Status != doctor.Problem {
		t.Errorf("kept without a hook: %+v, %+v", of(doctor.OfKept), of(doctor.OfHook))
	}
	folder := filepath.Join(w.root, "etc/nmgre/tunnels")
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	path := filepath.Join(folder, files[0].Name())
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const other = "00000000-1111-2222-3333-444444444444"
	w.plant("etc/nmgre/tunnels/"+other, strings.ReplaceAll(string(text), files[0].Name(), other))
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "gre1", "gre7")+"nonsense of a line\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, _ := w.diagnosed(exitFault)
	if k := r.Facts.Kept; k.Files != 2 || k.Orphans != 1 || k.Renamed != 1 && k.Broken != 1 {
		t.Errorf("%+v", k)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if r, _ := w.diagnosed(exitFault); r.Facts.Kept.Broken != 1 {
		t.Errorf("%+v", r.Facts.Kept)
	}
}

// A NetworkManager, or a bus, that is stopped or hangs holds up nothing else.
func TestDoctorWithoutNetworkManager(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world)
		says  string
	}{
		"stopped":  {func(w *world) { w.bus.Vanish() }, "NetworkManager is not running"},
		"hanging":  {func(w *world) { w.bus.Hang() }, "NetworkManager does not answer"},
		"refusing": {func(w *world) { w.bus.Break("Get", dbustest.Fault{Error: "org.freedesktop.DBus.Error.UnknownMethod"}) }, "NetworkManager is still starting"},
		"bus":      {func(w *world) { w.bus.Stick() }, "the system bus does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.wellFiles()
			c.spoil(w)
			h := checkup.Host{Root: w.root, Bus: w.bus.Address(), Open: w.open, Limit: 300 * time.Millisecond}
			begin := time.Now()
			r := doctor.Diagnose(h.Facts(t.Context()))
			text := r.Text(80)
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if !strings.Contains(strings.Join(strings.Fields(text), " "), c.says) || !strings.Contains(text, "ok       forwarding") || !strings.Contains(text, "note     tunnels") {
				t.Errorf("%s", text)
			}
		})
	}
	w := newWorld(t)
	w.wellFiles()
	w.bus.Break("GetPermissions", dbustest.Fault{Silent: true})
	polkit := checkup.Host{Root: w.root, Bus: w.bus.Address(), Open: w.open, Limit: 300 * time.Millisecond}
	if r := doctor.Diagnose(polkit.Facts(t.Context())); r.Facts.Manager.State != doctor.Runs || r.Facts.Unread[doctor.OfRights] != doctor.Slow || r.Facts.Unread[doctor.OfTunnels] != "" {
		t.Errorf("polkit hangs: %+v", r.Facts)
	}
	absent := &fault.Error{Kind: fault.ErrNoNetworkManager, What: "no connection to the system bus"}
	h := checkup.Host{Root: w.root, Bus: "unix:path=" + t.TempDir() + "/none", Open: func(context.Context) (adapters.Doors, func(), error) { return adapters.Doors{}, nil, absent },
		Local: func() (adapters.Doors, func(), error) {
			return adapters.Doors{Kernel: &w.kernel, Gateway: &w.gateway}, func() {}, nil
		}}
	if r := doctor.Diagnose(h.Facts(t.Context())); r.Facts.Manager.State != doctor.NoBus || r.Facts.Unread[doctor.OfOuter] != "" {
		t.Errorf("without a bus: %+v", r.Facts)
	}
}

// strictGateway filters by the way back on every device.
type strictGateway struct{ *stubGateway }

func (strictGateway) ReversePathFilter(context.Context, string) (keep.ReversePathFilter, error) {
	return keep.ReversePathFilter{Own: 1}, nil
}

// The devices of tunnels that are up are looked at: rp_filter, and who else manages them.
func TestDoctorDevices(t *testing.T) {
	w := newWorld(t)
	w.wellFiles()
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
	w.plant("etc/systemd/network/1.network", "")
	w.plant("proc/7/comm", "systemd-network\n")
	w.plant("run/systemd/netif/links/4", "ADMIN_STATE=configured\n") // gre1's, behind lo, eth0 and eth1
	h := checkup.Host{Root: w.root, Bus: w.bus.Address(), Open: func(ctx context.Context) (adapters.Doors, func(), error) {
		d, closeAll, err := w.open(ctx)
		d.Gateway = strictGateway{&w.gateway}
		return d, closeAll, err
	}}
	f := h.Facts(t.Context())
	if len(f.Others) != 1 || f.Others[0].Takes != 1 || !f.Others[0].Running || f.Settings.Strict != 1 || !f.Caller.Admin {
		t.Errorf("%+v %+v %+v", f.Others, f.Settings, f.Caller)
	}
	w.must("down", "gre1")
	if f := h.Facts(t.Context()); f.Others[0].Takes != 0 || f.Settings.Strict != 0 {
		t.Errorf("down: %+v %+v", f.Others, f.Settings)
	}
}

// linksKernel has more links than NetworkManager knows of.
type linksKernel struct {
	*stubKernel
	more []kernel.Link
}

func (k linksKernel) Links(ctx context.Context) ([]kernel.Link, error) {
	links, err := k.stubKernel.Links(ctx)
	return append(links, k.more...), err
}

// GRE links that no profile has are counted, by who has them; the kernel's own are not.
func TestDoctorLinks(t *testing.T) {
	w := newWorld(t)
	w.wellFiles()
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
	w.must("create", "--name", "gre2", "--key", "7", "--peer", "100.0.2.100", "--address", "172.16.1.1/30", "--no-probe")
	w.must("down", "gre2")
	w.plant("run/systemd/netif/links/77", "ADMIN_STATE=configured\n")
	far := netip.MustParseAddr("198.51.100.77")
	link := func(index int, name string, external bool) kernel.Link {
		return kernel.Link{Index: index, Name: name, Kind: "gre", GRE: &kernel.GRELink{Mode: gre.ModeGRE, Remote: far, External: external}}
	}
	fallback := kernel.Link{Index: 70, Name: "gre0", Kind: "gre", GRE: &kernel.GRELink{Mode: gre.ModeGRE}}
	k := linksKernel{&w.kernel, []kernel.Link{fallback, link(71, "toacme", false), link(72, "gre2", false), link(73, "geneva", true), link(77, "net7", false)}}
	h := checkup.Host{Root: w.root, Bus: w.bus.Address(), Open: func(ctx context.Context) (adapters.Doors, func(), error) {
		d, closeAll, err := w.open(ctx)
		d.Kernel = k
		return d, closeAll, err
	}, Local: func() (adapters.Doors, func(), error) { return adapters.Doors{Kernel: k}, func() {}, nil }}
	var said []string
	for _, l := range h.Facts(t.Context()).Links {
		said = append(said, fmt.Sprintf("%s %s %s %t", l.Mode, l.Remote, l.Holder, l.Profile))
	}
	far1 := "gre 198.x#"
	if text := strings.Join(said, "\n"); len(said) != 4 || strings.Count(text, far1) != 4 || !strings.Contains(text, "metadata false") || !strings.Contains(text, "systemd-networkd false") || !strings.Contains(text, "  true") || !strings.Contains(text, "  false") {
		t.Errorf("%s", text)
	}
	w.bus.Vanish()
	for _, l := range h.Facts(t.Context()).Links {
		if l.Holder == "" || l.Profile {
			t.Errorf("without NetworkManager nobody knows whose it is: %+v", l)
		}
	}
}

// private are texts that nobody may find in a report.
var private = []string{"198.51.100.77", "198.51.100.78", "100.0.1.100", "2001:db8:cafe::77", "172.29.77.1", "172.29.77", "02:00:5e:aa:bb:cc", "02005eaabbcc", "Galadriel", "acme-corp", "SecretWLAN", "toacme", "customerchain", "customertable",
	"customerzone", "/home/ann", "/opt", "88be346d-79a9-42ae-86f8-4f90c1346a18", "hunter2", "mirkwood"}

// leakyGateway names things in its rules as people do.
type leakyGateway struct{ *stubGateway }

func (g leakyGateway) Together() (keep.Gateway, func()) { return g, func() {} }

func (leakyGateway) OuterRules(_ context.Context, p keep.OuterPackets) (keep.OuterRules, error) {
	r := keep.Ruling{Program: "nftables", Family: "inet", Table: "customertable", Base: "customerchain", Hook: "input", Chain: "customerchain", Zone: "customerzone",
		What: "the chain customerchain drops packets from " + p.Remote.String(), Hint: "sudo nft insert rule inet customertable"}
	return keep.OuterRules{Obstacles: []keep.OuterObstacle{{Ruling: r}}}, nil
}

// No private name or address of a host gets into a report, also where every call fails.
func TestDoctorKeepsSecrets(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--name", "toacme", "--peer", "198.51.100.77", "--address", "172.29.77.1/30", "--no-probe", "--route", "10.77.0.0/16 nexthop via 172.29.77.2 nexthop dev toacme weight 2")
	for name, text := range map[string]string{
		"etc/netplan/acme-corp.yaml":            "network:\n  wifis: {wlan0: {access-points: {SecretWLAN: {password: hunter2}}, match: {macaddress: '02:00:5e:aa:bb:cc'}}}\n",
		"etc/systemd/network/acme-corp.network": "[Match]\nMACAddress=02:00:5e:aa:bb:cc\n[Network]\nAddress=172.29.77.1/30\n",
		"etc/network/interfaces":                "iface enx02005eaabbcc inet static\n address 198.51.100.78\n",
		"etc/os-release":                        "ID=acme-corp Galadriel\nVERSION_ID=\"of acme-corp\"\n",
		"run/systemd/container":                 "acme-corp of Galadriel",
		"run/systemd/system/x":                  "",
		"proc/77/comm":                          "hunter2\n",
		"proc/1/environ":                        "HOME=/home/ann\x00container=mirk wood mirkwood\x00",
		"etc/cloud/cloud.cfg.d/acme-corp.cfg":   "hostname: Galadriel\n",
		"etc/ufw/ufw.conf":                      "ENABLED=yes # for acme-corp\n",
		"etc/nmgre/tunnels/88be346d-79a9-42ae-86f8-4f90c1346a18":        "tunnel toacme\nnonsense 2001:db8:cafe::77\n",
		"etc/NetworkManager/dispatcher.d/50-nmgre":                      "#!/bin/sh\n# Made by nmgre install-hook\nexec '/opt/our acme-corp/nmgre' hook -- \"$1\" \"$2\"\n",
		"usr/share/polkit-1/actions/org.nmgre.policy":                   "<policyconfig><action id=\"org.nmgre.keep\"><annotate key=\"org.freedesktop.policykit.exec.path\">/home/ann/nmgre</annotate><annotate key=\"org.freedesktop.policykit.exec.argv1\">helper</annotate></action></policyconfig>",
		"etc/NetworkManager/system-connections/SecretWLAN.nmconnection": "[wifi]\nssid=SecretWLAN\n",
	} {
		w.plant(name, text)
	}
	w.bus.SetNames([]string{"com.example.acme-corp"}, nil)
	open := func(ctx context.Context) (adapters.Doors, func(), error) {
		d, closeAll, err := w.open(ctx)
		d.Gateway = leakyGateway{&w.gateway}
		return d, closeAll, err
	}
	for _, failing := range []bool{false, true} {
		h := checkup.Host{Root: w.root, Bus: w.bus.Address(), Release: "6.9.1-Galadriel", Open: open, Terminal: doctor.Terminal{Is: true, Name: "acme-corp of ann\x1b"},
			Tables: func(context.Context) (owners.Tables, error) { return owners.Tables{Others: 1}, nil }}
		if failing {
			h.Open = func(context.Context) (adapters.Doors, func(), error) {
				return adapters.Doors{}, nil, errors.New("the profile SecretWLAN of 198.51.100.77 has 02:00:5e:aa:bb:cc")
			}
		}
		t.Setenv("USER", "galadriel")
		f := h.Facts(t.Context())
		r := doctor.Diagnose(f)
		document, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range private {
			for _, text := range []string{string(document), r.Text(80)} {
				if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
					t.Errorf("%s is in the report:\n%s", secret, text)
				}
			}
		}
		if fault.Escaped(string(document)) != string(document) {
			t.Error("the report acts on a terminal")
		}
		if !failing && (len(f.Firewall.Drops) != 1 || f.Kept.Files != 2 || len(f.Tunnels) != 1 || len(f.Others) < 4 || f.System.Kernel != "6.9.1") {
			t.Errorf("nothing was there to hide: %+v", f)
		}
	}
}

// onTerminal runs nmgre without a command on a terminal of a size, and returns its output. A screen
// is left at once, by ctrl+c.
func (w *world) onTerminal(kind string, columns, rows uint16, input string, args ...string) outcome {
	w.t.Helper()
	ours, theirs := openPTY(w.t)
	defer ours.Close()
	if err := unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Setenv("TERM", kind)
	var out bytes.Buffer
	done := make(chan struct{})
	go func() { defer close(done); _, _ = out.ReadFrom(ours) }() // ends with EIO when the other side is closed
	if input != "" {
		if _, err := ours.WriteString(input); err != nil {
			w.t.Fatal(err)
		}
	}
	a := &app{stdin: theirs, stdout: theirs, stderr: theirs, root: w.root, owner: os.Getuid(), open: w.open, bus: w.bus.Address(), moment: cmp.Or(w.moment, time.Minute)}
	code := a.run(args)
	theirs.Close()
	<-done
	return outcome{code, out.String(), ""}
}

// The first run on a host that cannot have tunnels names the reason and the remedy, on one screen
// also of 20 columns, draws nothing, and has the right exit code.
func TestFirstRun(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world)
		code  int
		says  []string
	}{
		"NetworkManager stopped":       {func(w *world) { w.bus.Vanish(); w.plant("usr/sbin/NetworkManager", "") }, exitNoNetworkManager, []string{"NetworkManager is not running", "enable --now NetworkManager", "nmgre doctor"}},
		"NetworkManager not installed": {func(w *world) { w.bus.Vanish() }, exitNoNetworkManager, []string{"not installed", "apt install network-manager", "nmgre doctor"}},
		"a container":                  {func(w *world) { w.bus.Vanish(); w.plant(".dockerenv", "") }, exitNoNetworkManager, []string{"in this container (docker)", "run nmgre there", "nmgre doctor"}},
		"NetworkManager hangs":         {func(w *world) { w.bus.Hang(); w.patience = 200 * time.Millisecond }, exitNoNetworkManager, []string{"does not answer", "nmgre doctor"}},
		"the bus hangs":                {func(w *world) { w.bus.Stick(); w.patience = 200 * time.Millisecond }, exitNoNetworkManager, []string{"the system bus does not answer", "journalctl -u dbus", "nmgre doctor"}},
		"the bus of a container hangs": {func(w *world) { w.bus.Stick(); w.patience = 200 * time.Millisecond; w.plant(".dockerenv", "") }, exitNoNetworkManager, []string{"the system bus does not answer", "nmgre doctor"}},
		"no GRE":                       {func(w *world) { w.kernel.lacksGRE = true }, exitFailed, []string{"this kernel has no gre", "load ip_gre", "nmgre doctor"}},
		"no GRE in a container":        {func(w *world) { w.kernel.lacksGRE = true; w.plant("run/.containerenv", "") }, exitFailed, []string{"this kernel has no gre", "container (podman)", "load the module on its host"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.spoil(w)
			o := w.onTerminal("xterm", 20, 24, "")
			text := strings.ReplaceAll(o.stdout, "\r\n", "\n")
			if o.code != c.code || strings.ContainsRune(text, '\x1b') {
				t.Errorf("exit %d, want %d: %q", o.code, c.code, text)
			}
			for _, says := range c.says {
				if !strings.Contains(text, says) {
					t.Errorf("it does not say %q: %s", says, text)
				}
			}
			if rows := rowsOf(text, 20); rows > 24 || strings.Count(text, "nmgre: ") != 1 {
				t.Errorf("%d rows of 20 columns, one message? %s", rows, text)
			}
		})
	}
}

// A NetworkManager that is busy holds up no screens. They end with the same message where it turns
// out to hang, and the terminal is as it was.
func TestFirstRunOnABusyHost(t *testing.T) {
	w := newWorld(t)
	w.bus.Hang()
	w.patience, w.moment = 200*time.Millisecond, time.Nanosecond
	o := w.onTerminal("xterm", 80, 24, "")
	_, text, left := strings.Cut(o.stdout, "\x1b[?1049l")
	if o.code != exitNoNetworkManager || !left || strings.ContainsRune(text, '\x1b') || !strings.Contains(o.stdout, "Tunnels") {
		t.Errorf("exit %d, want %d: %q", o.code, exitNoNetworkManager, o.stdout)
	}
	if strings.Count(text, "nmgre: ") != 1 || !strings.Contains(text, "does not answer") {
		t.Errorf("it says %q", text)
	}
}

// rowsOf returns how many rows a terminal needs for a text.
func rowsOf(text string, columns int) (rows int) {
	for line := range strings.Lines(text) {
		rows += max(1, (len([]rune(strings.TrimSuffix(line, "\n")))+columns-1)/columns)
	}
	return rows
}

// On a terminal that cannot draw, nmgre says so and asks line by line; without a terminal it names
// the other ways in one screen.
func TestFirstRunWithoutScreens(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []string{"dumb", ""} {
		o := w.onTerminal(kind, 80, 24, "quit\n")
		if o.code != exitDone || strings.ContainsRune(o.stdout, '\x1b') || !strings.Contains(o.stdout, "cannot draw screens") || !strings.Contains(o.stdout, "What now?") {
			t.Errorf("TERM=%q: exit %d, %q", kind, o.code, o.stdout)
		}
	}
	o := w.run()
	if o.code != exitInvalid || o.stdout != "" || rowsOf(o.stderr, 80) > 15 {
		t.Errorf("a pipe: exit %d, %d rows\n%s", o.code, rowsOf(o.stderr, 80), o.stderr)
	}
	for _, says := range []string{"no terminal", "nmgre --plain", "nmgre create", "nmgre doctor", "nmgre --help"} {
		if !strings.Contains(o.stderr, says) {
			t.Errorf("a pipe: it does not say %q\n%s", says, o.stderr)
		}
	}
}
