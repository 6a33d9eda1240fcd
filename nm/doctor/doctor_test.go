package doctor

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/testdata/want"
)

func number(n int) *int { return &n }

// healthy returns the facts of a host on which nothing is to be said.
func healthy() Facts {
	return Facts{
		Nmgre: Program{Version: "0.1.0", Go: "go1.26", Commit: "85abec0c1f2d4e5f", Modified: true}, System: System{ID: "debian", Version: "12", Kernel: "6.1.0-18-amd64", Arch: "amd64"},
		Caller: Caller{Root: true, Admin: true, Modify: "yes", Control: "yes"}, Terminal: Terminal{Is: true, Name: "xterm-256color", Columns: 80, Rows: 24, UTF8: true},
		Modules: map[string]string{"ip_gre": "loaded", "ip6_gre": "loadable", "nf_tables": "loaded", "nf_nat": "loadable", "nft_chain_nat": "built in"},
		Manager: Manager{State: Runs, Version: "1.42.4", Installed: true}, Hook: Hook{Installed: true, Systemd: true},
		Polkit:   Polkit{Running: true, Pkexec: true, TextAgent: true, Policy: PolicyHere},
		Firewall: Firewall{Programs: []string{"firewalld", "nmgre"}, Asked: 2},
		Settings: Settings{Forward4: number(1), Forward6: number(0), Filter: number(0), Default: number(2)},
		Others:   []Other{{Name: "netplan", Count: 1, Word: "NetworkManager"}, {Name: "cloud-init", Word: "disabled"}},
		Tunnels: []Tunnel{{Mode: "gre", State: "active", Local: "100.x#1", Remote: "100.x#2", Addresses: []string{"172.x#3/30"}, MTU: 1476, Routes: 1, Kept: 2},
			{Mode: "ip6gre", State: "inactive", Local: "2001:x#4", Remote: "2001:x#5", Key: true}},
		Links: []Link{},
		Kept:  Kept{Files: 1},
		Units: map[string]Unit{"NetworkManager.service": {Load: "loaded", Active: "active", File: "enabled"}},
	}
}

// sick returns the facts of a host on which much is wrong.
func sick() Facts {
	f := healthy()
	f.System = System{Kernel: "6.1.0", Arch: "arm", Container: "docker"}
	f.Caller = Caller{}
	f.Terminal = Terminal{Is: true, Name: "dumb"}
	f.Modules = map[string]string{"ip_gre": "absent", "ip6_gre": "absent", "nf_tables": "no folder", "nf_nat": "no folder", "nft_chain_nat": "no folder"}
	f.Manager = Manager{State: Absent, Installed: true}
	missing := &Trouble{"the dispatcher's hook is not installed", "set it up: sudo nmgre install-hook"}
	f.Hook = Hook{Systemd: true, Script: missing, Dispatcher: &Trouble{"NetworkManager's dispatcher is not installed", "install it"}, Unit: missing}
	f.Polkit = Polkit{Running: true, Policy: PolicyOther}
	f.Firewall = Firewall{Programs: []string{"ufw"}, Others: 2, Drops: []Drop{{Program: "ufw", Hook: "input", OnlyNew: true}, {Program: "nftables", Hook: "output", Out: true}}}
	f.Settings = Settings{Filter: number(1), Strict: 1}
	f.Others = []Other{{Name: "systemd-networkd", Running: true, Count: 3, Takes: 1}, {Name: "connman", Running: true}, {Name: "ifupdown", Count: 2, Unread: true}}
	f.Tunnels = []Tunnel{}
	f.Links = []Link{{Mode: "gre", Remote: "100.x#1", Up: true}, {Mode: "gretap", Holder: HeldNetworkd}, {Mode: "ip6gre", Holder: HeldUnknown}}
	f.Kept = Kept{Files: 4, Orphans: 1, Renamed: 1, Broken: 1, BadLines: 2, Killed: 1}
	f.Unread = map[Subject]string{OfTunnels: Failed, OfUnit: Slow}
	f.Units = nil
	return f
}

// The report's forms for people and for programs.
func TestForms(t *testing.T) {
	for name, f := range map[string]Facts{"healthy": healthy(), "sick": sick()} {
		r := Diagnose(f)
		for _, width := range []int{20, 80} {
			text := r.Text(width)
			want.Golden(t, fmt.Sprintf("%s-%d.txt", name, width), text)
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				if len([]rune(line)) > width && len(strings.Fields(line)) > 1 {
					t.Errorf("%s: %d columns are too few for %q", name, width, line)
				}
			}
		}
		document, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want.Golden(t, name+".json", string(document)+"\n")
	}
	if r := Diagnose(healthy()); r.Verdict != OK {
		t.Errorf("a healthy host: %s", r.Verdict)
	}
}

// Each fact has its finding: its status, a part of its summary, and of its hint.
func TestFindings(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Facts)
		about  Subject
		status Status
		says   string
		hint   string
	}{
		"container":         {func(f *Facts) { f.System.Container = "podman" }, OfContainer, Note, "container (podman)", "on the host"},
		"unknown container": {func(f *Facts) { f.System.Container = "unknown" }, OfContainer, Note, "this is a container", "on the host"},
		"user namespace":    {func(f *Facts) { f.System.UserNamespace = true }, OfContainer, Note, "user namespace", "on the host"},
		"no GRE":            {func(f *Facts) { f.Modules["ip_gre"], f.Modules["ip6_gre"] = "absent", "absent" }, OfGRE, Problem, "makes no GRE tunnels", "kernel-modules-extra"},
		"no GRE in container": {func(f *Facts) {
			f.Modules["ip_gre"], f.Modules["ip6_gre"], f.System.Container = "no folder", "no folder", "lxc"
		}, OfGRE, Problem, "no GRE", "host of this container: sudo modprobe ip_gre"},
		"old modules":          {func(f *Facts) { f.Modules["ip_gre"], f.Modules["ip6_gre"] = "no folder", "no folder" }, OfGRE, Problem, "no GRE", "boot again"},
		"modules forbidden":    {func(f *Facts) { f.Modules["ip_gre"], f.Modules["ip6_gre"] = "forbidden", "forbidden" }, OfGRE, Problem, "no GRE", "/etc/modules-load.d"},
		"no GRE over IPv6":     {func(f *Facts) { f.Modules["ip6_gre"] = "absent" }, OfGRE, Note, "no tunnels over IPv6", "modules"},
		"no GRE over IPv4":     {func(f *Facts) { f.Modules["ip_gre"] = "absent" }, OfGRE, Problem, "no tunnels over IPv4", "modules"},
		"GRE in use":           {func(f *Facts) { f.Modules["ip_gre"] = InUse }, OfGRE, OK, "ip_gre in use", ""},
		"no NAT":               {func(f *Facts) { f.Modules["nf_nat"] = "absent" }, OfNAT, Note, "no --snat", "modules"},
		"NAT not known":        {func(f *Facts) { f.Modules["nf_nat"] = "no folder" }, OfNAT, Note, "shows when it is set", "boot"},
		"NAT built in":         {func(f *Facts) { f.Modules["nf_tables"], f.Modules["nft_chain_nat"] = "built in", "absent" }, OfNAT, OK, "built in", ""},
		"no NetworkManager":    {func(f *Facts) { f.Manager = Manager{State: NoBus} }, OfManager, Problem, "not installed", "apt install network-manager"},
		"none in a container":  {func(f *Facts) { f.Manager, f.System.Container = Manager{State: NoBus}, "docker" }, OfManager, Problem, "in this container", "on the host"},
		"nothing to dispatch":  {func(f *Facts) { f.Manager, f.Hook.Dispatcher = Manager{State: NoBus}, &Trouble{"x", "install it"} }, OfDispatcher, Note, "comes with NetworkManager", "above"},
		"no bus":               {func(f *Facts) { f.Manager = Manager{State: NoBus, Installed: true} }, OfManager, Problem, "no system bus", "start dbus"},
		"bus hangs":            {func(f *Facts) { f.Manager.State = BusSilent }, OfManager, Problem, "the system bus does not answer", "boot again"},
		"another bus":          {func(f *Facts) { f.Manager.State, f.Manager.BusSet = NoBus, true }, OfManager, Problem, "DBUS_SYSTEM_BUS_ADDRESS is set", "unset"},
		"stopped":              {func(f *Facts) { f.Manager.State = Absent }, OfManager, Problem, "is not running", "enable --now NetworkManager"},
		"masked":               {func(f *Facts) { f.Manager.State, f.Units["NetworkManager.service"] = Absent, Unit{Load: "masked"} }, OfManager, Problem, "masked", "unmask"},
		"starting":             {func(f *Facts) { f.Manager.State = Starting }, OfManager, Problem, "still starting", "try again"},
		"hanging":              {func(f *Facts) { f.Manager.State = Silent }, OfManager, Problem, "does not answer", "restart NetworkManager"},
		"hanging, by the time": {func(f *Facts) { f.Unread[OfManager] = Slow }, OfManager, Problem, "does not answer", "restart NetworkManager"},
		"polkit hangs":         {func(f *Facts) { f.Unread[OfRights] = Slow }, OfRights, Note, "polkit did not answer", "restart polkit"},
		"no version":           {func(f *Facts) { f.Manager.Version = "" }, OfManager, OK, "it runs", ""},
		"too old":              {func(f *Facts) { f.Manager.Version, f.Manager.Old = "1.30.0", true }, OfManager, Problem, "1.30.0 is too old", "update"},
		"not at boot":          {func(f *Facts) { f.Units["NetworkManager.service"] = Unit{Load: "loaded", File: "disabled"} }, OfManager, OK, "does not start at boot", ""},
		"user":                 {func(f *Facts) { f.Caller = Caller{Modify: "yes", Control: "yes"} }, OfRights, OK, "may change connections", ""},
		"user, password":       {func(f *Facts) { f.Caller = Caller{Modify: "auth", Control: "yes"} }, OfRights, OK, "after a password", ""},
		"user, refused":        {func(f *Facts) { f.Caller = Caller{Modify: "no", Control: "yes"} }, OfRights, Note, "does not let this user", "sudo"},
		"user, not known":      {func(f *Facts) { f.Caller = Caller{} }, OfRights, Note, "not known", "sudo"},
		"root of a namespace":  {func(f *Facts) { f.System.UserNamespace, f.Caller.Modify = true, "no" }, OfRights, Note, "user namespace alone", "on the host"},
		"rules without CAP":    {func(f *Facts) { f.Unread[OfOuter] = Refused }, OfOuter, Note, "CAP_NET_ADMIN", "give it the capability"},
		"tables without CAP":   {func(f *Facts) { f.Firewall = Firewall{Partly: true} }, OfFirewall, Note, "CAP_NET_ADMIN", "give it the capability"},
		"root of nothing":      {func(f *Facts) { f.Caller = Caller{Root: true} }, OfRights, Problem, "without CAP_NET_ADMIN", "capability"},
		"no hook":              {func(f *Facts) { f.Hook = Hook{Script: &Trouble{"x", "install-hook"}}; f.Kept.Files = 0 }, OfHook, Note, "not installed", "sudo nmgre install-hook"},
		"no hook, but needed":  {func(f *Facts) { f.Hook = Hook{Script: &Trouble{"x", "install-hook"}} }, OfHook, Problem, "does not return by itself", "install-hook"},
		"old hook":             {func(f *Facts) { f.Hook.Script = &Trouble{"it differs from the hook of this version", "install-hook"} }, OfHook, Problem, "differs", "install-hook"},
		"no dispatcher":        {func(f *Facts) { f.Hook.Dispatcher = &Trouble{"the dispatcher is not installed", "install it"} }, OfDispatcher, Problem, "not installed", "install it"},
		"dispatcher masked":    {func(f *Facts) { f.Units["NetworkManager-dispatcher.service"] = Unit{Load: "masked"} }, OfDispatcher, Problem, "masked", "unmask"},
		"no unit":              {func(f *Facts) { f.Hook.Unit = &Trouble{"the rules do not return", "install-hook"} }, OfUnit, Problem, "do not return", "install-hook"},
		"no systemd":           {func(f *Facts) { f.Hook.Systemd = false }, OfUnit, OK, "not needed", ""},
		"no polkit":            {func(f *Facts) { f.Polkit.Running = false }, OfPolkit, Note, "not there", "sudo"},
		"no policy":            {func(f *Facts) { f.Polkit.Policy = PolicyMissing }, OfPolkit, Note, "policy is not installed", "make install"},
		"another's policy":     {func(f *Facts) { f.Polkit.Policy = PolicyOther }, OfPolkit, Problem, "at another place", "make install"},
		"broken policy":        {func(f *Facts) { f.Polkit.Policy = PolicyBroken }, OfPolkit, Problem, "cannot be read", "make install"},
		"no pkexec":            {func(f *Facts) { f.Polkit.Pkexec = false }, OfPolkit, Note, "not pkexec", "install pkexec"},
		"no agent":             {func(f *Facts) { f.Polkit.TextAgent, f.Caller.Root = false, false }, OfPolkit, Note, "nobody can ask", "sudo"},
		"desktop's agent":      {func(f *Facts) { f.Polkit.Agent = true }, OfPolkit, OK, "an agent runs", ""},
		"no firewall":          {func(f *Facts) { f.Firewall = Firewall{} }, OfFirewall, OK, "none", ""},
		"others' tables":       {func(f *Facts) { f.Firewall.Others = 1 }, OfFirewall, OK, "1 table of nftables that is nobody's", ""},
		"legacy":               {func(f *Facts) { f.Firewall.Legacy = true }, OfFirewall, Note, "iptables-legacy, whose rules", "iptables-legacy-save"},
		"firewall of a user":   {func(f *Facts) { f.Firewall.Partly, f.Caller.Root = true, false }, OfFirewall, Note, "only root can read", "sudo nmgre doctor"},
		"no nftables":          {func(f *Facts) { f.Firewall = Firewall{Lacks: true} }, OfFirewall, OK, "no nftables", ""},
		"GRE dropped":          {func(f *Facts) { f.Firewall.Drops = []Drop{{Program: "nftables", Hook: "input", Tunnels: 2}} }, OfOuter, Problem, "nftables drops GRE that comes in (hook input) of 2 tunnels", "verify --all"},
		"GRE dropped, leaving": {func(f *Facts) { f.Firewall.Drops = []Drop{{Program: "ufw", Out: true, Tunnels: 1}} }, OfOuter, Problem, "leaves of 1 tunnel", "verify --all"},
		"GRE perhaps dropped":  {func(f *Facts) { f.Firewall.Drops = []Drop{{Program: "iptables", Perhaps: true}} }, OfOuter, Note, "perhaps", "verify"},
		"answers pass": {func(f *Facts) {
			f.Firewall = Firewall{Drops: []Drop{{Program: "firewalld", Hook: "input", OnlyNew: true}}}
		}, OfOuter, Note, "but for answers", "--add-protocol=gre"},
		"ufw, in general":      {func(f *Facts) { f.Firewall = Firewall{Drops: []Drop{{Program: "ufw", Hook: "input"}}} }, OfOuter, Problem, "ufw drops", "ufw allow proto gre"},
		"rules of a user":      {func(f *Facts) { f.Unread[OfOuter], f.Caller.Root = Refused, false }, OfOuter, Note, "only root", "sudo nmgre doctor"},
		"rules too slow":       {func(f *Facts) { f.Unread[OfOuter] = Slow }, OfOuter, Problem, "in time", "again"},
		"no forwarding":        {func(f *Facts) { f.Settings.Forward4 = number(0) }, OfForwarding, OK, "IPv4 off", "--forward"},
		"forwarding not known": {func(f *Facts) { f.Settings = Settings{} }, OfForwarding, OK, "not known", ""},
		"strict":               {func(f *Facts) { f.Settings.Strict = 2 }, OfFilter, Note, "strict on 2 tunnels' devices", "rp_filter=2"},
		"odd filter":           {func(f *Facts) { f.Settings.Filter = number(-7) }, OfFilter, OK, "not known", ""},
		"networkd":             {func(f *Facts) { f.Others = []Other{{Name: "systemd-networkd", Running: true, Count: 1}} }, OfOthers, Note, "1 .network file", "networkctl"},
		"networkd is off":      {func(f *Facts) { f.Others = []Other{{Name: "systemd-networkd", Count: 1}} }, OfOthers, OK, "does not run", ""},
		"networkd takes":       {func(f *Facts) { f.Others = []Other{{Name: "systemd-networkd", Running: true, Takes: 1}} }, OfOthers, Problem, "manages 1 tunnel's device", "Unmanaged=yes"},
		"ifupdown":             {func(f *Facts) { f.Others = []Other{{Name: "ifupdown", Count: 2}} }, OfOthers, Note, "2 devices", "leaves these devices alone"},
		"netplan's networkd":   {func(f *Facts) { f.Others = []Other{{Name: "netplan", Count: 1, Word: "networkd"}} }, OfOthers, Note, "renderer networkd", "tunnels work"},
		"netplan's both":       {func(f *Facts) { f.Others = []Other{{Name: "netplan", Count: 2, Word: "both"}} }, OfOthers, Note, "both renderers", "NetworkManager's"},
		"netplan unread":       {func(f *Facts) { f.Others = []Other{{Name: "netplan", Count: 1, Unread: true}} }, OfOthers, Note, "only root", "sudo nmgre doctor"},
		"connman":              {func(f *Facts) { f.Others = []Other{{Name: "connman", Running: true}} }, OfOthers, Problem, "each takes devices", "disable --now connman"},
		"connman alone":        {func(f *Facts) { f.Others, f.Manager.State = []Other{{Name: "connman", Running: true}}, Absent }, OfOthers, Note, "connman manages", "needs NetworkManager"},
		"dhcpcd":               {func(f *Facts) { f.Others = []Other{{Name: "dhcpcd", Running: true}} }, OfOthers, Note, "dhcpcd runs", "denyinterfaces"},
		"cloud-init":           {func(f *Facts) { f.Others = []Other{{Name: "cloud-init", Word: "enabled"}} }, OfOthers, Note, "at boot", "tunnels stay"},
		"alone":                {func(f *Facts) { f.Others = nil }, OfOthers, OK, "no other program", ""},
		"no tunnels":           {func(f *Facts) { f.Tunnels = nil }, OfTunnels, OK, "none yet", "nmgre create"},
		"no links":             {func(f *Facts) { f.Links = nil }, OfLinks, OK, "every GRE link is a profile's", ""},
		"links by hand":        {func(f *Facts) { f.Links = []Link{{Mode: "gre"}, {Mode: "gretap"}} }, OfLinks, Note, "2 GRE links were made by hand, and NetworkManager does not manage them", "nmgre adopt IFNAME"},
		"mirrored link":        {func(f *Facts) { f.Links = []Link{{Holder: HeldMirrored}} }, OfLinks, Note, "only mirrors it (external)", "nmgre adopt IFNAME"},
		"networkd's link":      {func(f *Facts) { f.Links = []Link{{Holder: HeldNetworkd}} }, OfLinks, Note, "1 GRE link is systemd-networkd's", "networkctl"},
		"external mode":        {func(f *Facts) { f.Links = []Link{{Holder: HeldMetadata}} }, OfLinks, OK, "external mode", ""},
		"nobody knows whose":   {func(f *Facts) { f.Links = []Link{{Holder: HeldUnknown}} }, OfLinks, Note, "1 GRE link is there", "ip -d link show"},
		"link in the way":      {func(f *Facts) { f.Links = []Link{{Profile: true}} }, OfLinks, Problem, "1 link has the name of a tunnel that is down", "ip link delete"},
		"orphans":              {func(f *Facts) { f.Kept.Orphans = 2 }, OfKept, Note, "2 files in /etc/nmgre/tunnels without a profile", "removes them"},
		"another name":         {func(f *Facts) { f.Kept.Renamed = 1 }, OfKept, Problem, "different interfaces", "nmgre edit"},
		"broken file":          {func(f *Facts) { f.Kept.Broken = 1 }, OfKept, Problem, "cannot be read", "nmgre list"},
		"bad lines":            {func(f *Facts) { f.Kept.BadLines = 1 }, OfKept, Problem, "1 line", "verify"},
		"killed":               {func(f *Facts) { f.Kept.Killed = 2 }, OfKept, Note, "2 commands of nmgre's were killed", "as root"},
		"nothing kept":         {func(f *Facts) { f.Kept = Kept{} }, OfKept, OK, "nothing", ""},
		"a pipe":               {func(f *Facts) { f.Terminal = Terminal{} }, OfTerminal, OK, "none", ""},
		"dumb":                 {func(f *Facts) { f.Terminal.Name = "dumb" }, OfTerminal, Note, "TERM is dumb", "another terminal"},
		"no TERM":              {func(f *Facts) { f.Terminal.Name = "" }, OfTerminal, Note, "TERM is not set", "another terminal"},
		"narrow":               {func(f *Facts) { f.Terminal.Columns = 20 }, OfTerminal, Note, "20 by 24: the screens need 40 by 15", "--plain"},
		"Latin-1":              {func(f *Facts) { f.Terminal.UTF8 = false }, OfTerminal, OK, "ASCII", ""},
	} {
		f := healthy()
		f.Unread = make(map[Subject]string)
		c.change(&f)
		r := Diagnose(f)
		at := slices.IndexFunc(r.Findings, func(one Finding) bool { return one.ID == c.about })
		if at < 0 {
			t.Errorf("%s: no finding", name)
			continue
		}
		got := r.Findings[at]
		if got.Status != c.status || !strings.Contains(got.Summary, c.says) || !strings.Contains(got.Hint, c.hint) || got.Status != OK && got.Hint == "" {
			t.Errorf("%s: %+v", name, got)
		}
		if f.Manager.State != Runs {
			continue // that is a problem of its own
		}
		if c.status != OK && r.Verdict != c.status || c.status == OK && r.Verdict != OK {
			t.Errorf("%s: the verdict is %s", name, r.Verdict)
		}
	}
}

// Equal addresses stay equal, different ones different, and none can be read.
func TestNames(t *testing.T) {
	var n Names
	for _, c := range []struct{ address, want string }{
		{"203.0.113.7", "203.x#1"}, {"203.0.113.8", "203.x#2"}, {"::ffff:203.0.113.7", "203.x#1"}, {"2001:db8::1", "2001:x#3"}, {"fe80::1%eth0", "fe80:x#4"}, {"fe80::1%eth1", "fe80:x#4"}, {"0.0.0.0", "any"}, {"::", "any"},
	} {
		if got := n.Address(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("%s: %s, want %s", c.address, got, c.want)
		}
	}
	if got := n.Prefix(netip.MustParsePrefix("203.0.113.7/30")); got != "203.x#1/30" || n.Address(netip.Addr{}) != "" || n.Prefix(netip.Prefix{}) != "" {
		t.Error(got)
	}
	for text, want := range map[string]string{
		"/etc/nmgre/tunnels/88be346d-79a9-42ae-86f8-4f90c1346a18: no": "/etc/nmgre/tunnels/UUID: no",
		"from 203.0.113.7, to 2001:db8::1: lost":                      "from 203.x#1, to 2001:x#3: lost",
		"by 02:00:5e:10:00:ff and 02-00-5E-10-00-FF":                  "by MAC and MAC",
		"calls /home/ann/bin/nmgre, which":                            "calls /..., which",
		"'/opt/acme corp' (/srv/x) and /usr/bin/nmgre":                "'/... corp' (/...) and /usr/bin/nmgre",
		"NetworkManager 1.42.4 at 10:20 in /etc/NetworkManager":       "NetworkManager 1.42.4 at 10:20 in /etc/NetworkManager",
	} {
		if got := n.Text(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// A kernel that is named after its host loses its name.
func TestRelease(t *testing.T) {
	for text, want := range map[string]string{"6.1.0-18-amd64": "6.1.0-18-amd64", "6.9.1-Galadriel+": "6.9.1", "6.9.1-ann@x": "6.9.1", "6.1\x1b[2J": "6.1", "6." + strings.Repeat("1", 99) + "-x": "6." + strings.Repeat("1", 99), "x": "x"} {
		if got := Release(text, "galadriel.acme.example", "ann", "", "-"); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// Without NetworkManager the error begins with the reason, and its hint with the remedy.
func TestNoManager(t *testing.T) {
	for name, c := range map[string]struct {
		facts      Facts
		what, hint string
	}{
		"not installed": {Facts{Manager: Manager{State: Absent}}, "not installed", "install it"},
		"a container":   {Facts{System: System{Container: "docker"}}, "container (docker)", "on the host"},
		"some kind":     {Facts{System: System{Container: "unknown"}}, "in this container", "on the host"},
		"stopped":       {Facts{Manager: Manager{State: Absent, Installed: true}, System: System{Container: "lxc"}}, "is not running", "enable --now"},
		"hanging":       {Facts{Manager: Manager{State: Silent, Installed: true}}, "does not answer", "restart"},
		"silent bus":    {Facts{Manager: Manager{State: BusSilent}, System: System{Container: "docker"}}, "the system bus does not answer", "journalctl"},
		"running":       {Facts{Manager: Manager{State: Runs, Installed: true}}, "", ""},
	} {
		if what, hint := NoManager(c.facts); !strings.Contains(what, c.what) || !strings.Contains(hint, c.hint) || c.what == "" && what+hint != "" {
			t.Errorf("%s: %q, %q", name, what, hint)
		}
	}
}
