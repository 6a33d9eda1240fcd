package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/keep"
	"nmgre/testdata/want"
)

var (
	uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	timePattern = regexp.MustCompile(`\([0-9.]+(µs|ms|s)\)`)
)

// golden compares text with a file of testdata. Times and UUIDs differ from run to run, and do not
// count.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = uuidPattern.ReplaceAllString(timePattern.ReplaceAllString(got, "(TIME)"), "UUID")
	want.Golden(t, name, got)
}

var createArgs = []string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24", "--key", "0x2a",
	"--route", "10.77.0.0/16 nexthop via 172.16.0.2 nexthop dev gre1 weight 2"}

// A person sees these texts, word for word.
func TestOutputs(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"help", nil, exitInvalid},
		{"help-all", []string{"--help"}, exitDone},
		{"help-doctor", []string{"doctor", "--help"}, exitDone},
		{"help-create", []string{"create", "--help"}, exitDone},
		{"dry-run", append(createArgs, "--dry-run"), exitDone},
		{"dry-run-json", append(createArgs, "--dry-run", "--json"), exitDone},
		{"dry-run-as", []string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--dry-run", "--as", "junos"}, exitDone},
		{"dry-run-as-key", append(createArgs, "--dry-run", "--as", "routeros"), exitInvalid},
		{"as-without-dry-run", append(createArgs, "--as", "junos"), exitInvalid},
		{"as-unknown", []string{"show", "gre1", "--as", "yaml"}, exitInvalid},
		{"end-without-as", []string{"show", "gre1", "--end", "near"}, exitInvalid},
		{"create", createArgs, exitDone},
		{"create-json", append(createArgs, "--json"), exitDone},
		{"list-none", []string{"list"}, exitDone},
		{"list-none-json", []string{"list", "--json"}, exitDone},
		{"help-verify", []string{"verify", "--help"}, exitDone},
		{"verify-none", []string{"verify", "--all"}, exitDone},
		{"verify-none-json", []string{"verify", "--active", "--json"}, exitDone},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newWorld(t).run(c.args...)
			if o.code != c.code {
				t.Errorf("exit %d, want %d", o.code, c.code)
			}
			golden(t, c.name+".out", o.stdout+"---- stderr\n"+o.stderr)
		})
	}
}

// The same for commands that need a tunnel.
func TestOutputsOfATunnel(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"list", []string{"list"}}, {"list-json", []string{"list", "--json"}},
		{"show", []string{"show", "gre1"}}, {"show-json", []string{"show", "gre1", "--json"}},
		{"show-as", []string{"show", "gre1", "--as", "cisco-ios"}}, {"show-as-near", []string{"show", "gre1", "--as", "ip", "--end", "near"}},
		{"verify", []string{"verify", "gre1"}}, {"verify-json", []string{"verify", "gre1", "--json"}},
		{"verify-all", []string{"verify", "--all"}}, {"verify-all-json", []string{"verify", "--all", "--json"}},
		{"down", []string{"down", "gre1"}}, {"up-json", []string{"up", "gre1", "--json"}}, {"delete", []string{"delete", "gre1"}},
	} {
		o := w.must(c.args...)
		golden(t, c.name+".out", o.stdout+"---- stderr\n"+o.stderr)
	}
	if left := w.bus.Profiles(); len(left) != 0 {
		t.Errorf("after delete there are %d profiles", len(left))
	}
}

// Every field of the contract is there, of the right type; keys are absent when there is none.
func TestJSONContract(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24", "--input-key", "0")
	var list []map[string]any
	if err := json.Unmarshal([]byte(w.must("list", "--json").stdout), &list); err != nil || len(list) != 1 {
		t.Fatalf("%v: %v", list, err)
	}
	for field, want := range map[string]any{"name": "gre1", "interface": "gre1", "mode": "gre", "local": "100.0.1.100", "remote": "100.0.2.100",
		"input_key": 0.0, "state": "active"} {
		if list[0][field] != want {
			t.Errorf("%s is %v, want %v", field, list[0][field], want)
		}
	}
	if _, there := list[0]["output_key"]; there {
		t.Error("output_key is there though there is none")
	}
	if !keep.IsUUID(list[0]["uuid"].(string)) {
		t.Errorf("uuid is %v", list[0]["uuid"])
	}
	route := list[0]["routes"].([]any)[0].(map[string]any)
	if route["route"] != "10.10.2.0/24" || route["owner"] != "profile" {
		t.Errorf("route is %v", route)
	}
}

// The word of iproute2 and NetworkManager does the same as nmgre's.
func TestRemoteIsPeer(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--remote", "100.0.2.100", "--address", "172.16.0.1/30")
	w.must("edit", "gre1", "--remote", "100.0.3.100")
	if out := w.must("show", "gre1").stdout; !strings.Contains(out, "100.0.3.100") {
		t.Error(out)
	}
}

// Each error has its exit code and its words, and standard output stays empty.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name  string
		setup func(*world)
		args  []string
		code  int
		want  []string // in standard error
	}{
		{"unknown command", nil, []string{"creat"}, exitInvalid, []string{"there is no command creat", "did you mean create"}},
		{"an empty value", nil, []string{"create", "--remote", "100.0.2.100", "--address", "172.16.0.1/30", "--name", ""}, exitInvalid,
			[]string{"name: the value is empty", "leave --name out"}},
		{"an empty value of edit", nil, []string{"edit", "gre1", "--remote", ""}, exitInvalid, []string{"peer: the value is empty"}},
		{"help for no command", nil, []string{"help", "create2"}, exitInvalid, []string{"there is no command create2", "did you mean create"}},
		{"help for no command of route's", nil, []string{"help", "route", "ad"}, exitInvalid, []string{"there is no command route ad", "did you mean add"}},
		{"unknown flag", nil, []string{"list", "--all"}, exitInvalid, []string{"unknown flag: --all"}},
		{"a rule's number below 0", nil, []string{"rule", "add", "gre1", "from", "10.0.0.2", "table", "100", "priority", "-1"}, exitInvalid,
			[]string{"nmgre: rule: \"-1\" after priority is not possible\nhint: priority takes 0 to 4294967295\n"}},
		{"a route's number below 0", nil, []string{"route", "replace", "gre1", "10.0.0.0/8", "mtu", "-5"}, exitInvalid,
			[]string{"nmgre: route: \"-5\" after mtu is not possible\nhint: mtu takes 68 to"}},
		{"a word of a rule with dashes", nil, []string{"rule", "add", "gre1", "--priority", "5"}, exitInvalid, []string{"unknown flag: --priority", "; the words of a rule have no dashes"}},
		{"no name", nil, []string{"verify"}, exitInvalid, []string{"the tunnel's name is missing", "hint: write it as: nmgre verify NAME, where", "; or for every tunnel: nmgre verify --all\n"}},
		{"no name of show", nil, []string{"show"}, exitInvalid, []string{"hint: write it as: nmgre show NAME, where NAME is a profile's name, interface or UUID\n"}},
		{"no name and no rule", nil, []string{"rule", "delete"}, exitInvalid, []string{"hint: write it as: nmgre rule delete NAME RULE, where"}},
		{"no rule", nil, []string{"rule", "delete", "gre1"}, exitInvalid, []string{"hint: write it as: nmgre rule delete gre1 from 10.0.0.2 table 100\n"}},
		{"no route", nil, []string{"route", "replace", "wan link"}, exitInvalid, []string{"hint: write it as: nmgre route replace 'wan link' 10.10.2.0/24\n"}},
		{"an empty zone of edit", nil, []string{"edit", "gre1", "--zone", ""}, exitInvalid, []string{"zone: the value is empty", "hint: give a value or the word none, or leave --zone out\n"}},
		{"no hook to remove", nil, []string{"remove-hook"}, exitDone, []string{"nmgre: there is no hook to remove\n"}},
		{"a name and all", nil, []string{"verify", "gre1", "--all"}, exitInvalid, []string{"both a tunnel, gre1, and --all are given", "hint: give a NAME, or --all\n"}},
		{"a name and active", nil, []string{"verify", "gr\x1b", "--active"}, exitInvalid, []string{`both a tunnel, gr\x1b, and --active are given`}},
		{"all and active", nil, []string{"verify", "--all", "--active"}, exitInvalid, []string{"--all and --active are two different choices"}},
		{"an address of all", nil, []string{"verify", "--all", "--peer-address", "172.16.0.2"}, exitInvalid, []string{"peer-address: it is the inner address of one far end, and --all verifies many tunnels"}},
		{"a network behind", nil, []string{"verify", "gre1", "--to", "10.10.2.0/24"}, exitInvalid, []string{`to: "10.10.2.0/24" is not an IP address`, "hint: leave out the prefix length: 10.10.2.0"}},
		{"an address behind all", nil, []string{"verify", "--active", "--to", "10.10.2.100"}, exitInvalid, []string{"to: no tunnel that is verified leads to 10.10.2.100", "hint: see where packets to it go: ip route get 10.10.2.100"}},
		{"two names", nil, []string{"show", "a", "b"}, exitInvalid, []string{"one tunnel at a time"}},
		{"no such tunnel", nil, []string{"show", "gre9"}, exitInvalid, []string{`no tunnel has the name "gre9"`}},
		{"hostile name", nil, []string{"show", "a\x1b[2Jb"}, exitInvalid, []string{`a\x1b[2Jb`}},
		{"no wait", nil, append(createArgs, "--wait", "0s"), exitInvalid, []string{"wait: 0s is not a positive duration"}},
		{"wait without a unit", nil, append(createArgs, "--wait", "5"), exitInvalid, []string{`wait: "5" is not a duration`, "hint: give a number with a unit, such as 10s or 1m"}},
		{"neither true nor false", nil, append(createArgs, "--autoconnect=x\x1b"), exitInvalid, []string{`autoconnect: "x\x1b" is not true or false`}},
		{"no route command", nil, []string{"route", "gre1"}, exitInvalid, []string{"there is no command route gre1", "hint: to list a tunnel's routes: nmgre route list gre1"}},
		{"no rule command", nil, []string{"rule", "gre1"}, exitInvalid, []string{"there is no command rule gre1", "hint: to list a tunnel's rules: nmgre rule list gre1"}},
		{"a rule command of ip's", nil, []string{"rule", "show", "gre1"}, exitInvalid, []string{"there is no command rule show", "hint: did you mean list"}},
		{"a flag of nmcli's word", nil, []string{"create", "--local-ip", "100.0.1.100"}, exitInvalid, []string{"did you mean --local\n"}},
		{"a name too many", nil, []string{"list", "gre1"}, exitInvalid, []string{"unexpected argument gre1", "hint: nmgre list takes flags only\n"}},
		{"a route without quotes", nil, append(createArgs, "--route", "10.10.1.0/24", "metric", "50"), exitInvalid, []string{"unexpected argument metric", "quote a route"}},
		{"word as key", nil, []string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--key", "desistdaydream"}, exitInvalid,
			[]string{`key: "desistdaydream" is not a number of 32 bits`, "hint: a GRE key is a number of 32 bits, equal at both ends"}},
		{"three things wrong", nil, []string{"create", "--peer", "1772.16.0.1", "--address", "172.16.0.1", "--ttl", "256"}, exitInvalid,
			[]string{`peer: "1772.16.0.1" is not an IP address`, "address: ", "172.16.0.1/30", `ttl: "256" is not possible`}},
		{"two kinds of key", nil, append(createArgs, "--input-key", "1"), exitInvalid, []string{"key: it cannot be combined with --input-key"}},
		{"bad completion", nil, []string{"completion", "tcsh"}, exitInvalid, []string{"there is no completion for tcsh"}},
		{"NetworkManager absent", func(w *world) { w.bus.Vanish() }, createArgs, exitNoNetworkManager, []string{"NetworkManager", "hint: "}},
		{"NetworkManager too old", func(w *world) { w.bus.SetVersion("1.40.18") }, createArgs, exitNoNetworkManager, []string{"1.40.18", "1.42"}},
		{"kernel without GRE", func(w *world) { w.kernel.lacksGRE = true }, createArgs, exitFailed, []string{"this kernel has no gre"}},
		{"not permitted", func(w *world) { w.bus.SetPermission("settings.modify.system", "no") }, createArgs, exitNotPermitted, []string{"sudo"}},
		{"route needs root", func(w *world) { w.kernel.root = false }, createArgs, exitNotPermitted, []string{"needs root", "sudo"}},
		{"refused profile", func(w *world) {
			w.bus.Break("AddConnection2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.Connection.InvalidProperty", Text: "ip-tunnel.ttl: no\x1b[31m"})
		}, createArgs, exitFailed, []string{`ttl: `, `no\x1b[31m`}},
		{"denied at last", func(w *world) {
			w.bus.Break("AddConnection2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.PermissionDenied", Text: "Insufficient privileges"})
		}, createArgs, exitNotPermitted, []string{"sudo"}},
		{"activation fails", func(w *world) { w.bus.SetActivation(dbustest.Activation{ActiveReason: 13}) }, createArgs, exitFailed, []string{"could not bring gre1 up"}},
		{"activation hangs", func(w *world) { w.bus.SetActivation(dbustest.Activation{Stuck: true}) }, append(createArgs, "--wait", "300ms"), exitFailed, []string{"time"}},
		{"the bus is lost in the middle", func(w *world) { w.bus.Break("ActivateConnection", dbustest.Fault{Hangup: true}) }, createArgs, exitFailed, []string{"bus"}},
		{"the bus is lost when it is saved", func(w *world) { w.bus.Break("Update2", dbustest.Fault{Hangup: true}) }, createArgs, exitFailed, []string{"bus"}},
		{"NetworkManager is restarted in the middle", func(w *world) {
			w.bus.Break("ActivateConnection", dbustest.Fault{Vanish: true})
			time.AfterFunc(500*time.Millisecond, w.bus.Return)
		}, createArgs, exitFailed, []string{"NetworkManager"}},
		{"saving fails", func(w *world) {
			w.bus.Break("Update2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.Failed", Text: "No space left on device"})
		}, createArgs, exitFailed, []string{"No space left on device"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.setup != nil {
				c.setup(w)
			}
			o := w.run(c.args...)
			if o.code != c.code || o.stdout != "" {
				t.Errorf("exit %d, want %d\n%s%s", o.code, c.code, o.stdout, o.stderr)
			}
			for _, want := range append(c.want, "nmgre: ") {
				if !strings.Contains(o.stderr, want) {
					t.Errorf("standard error lacks %q:\n%s", want, o.stderr)
				}
			}
			routes, _ := w.kernel.OwnRoutes(t.Context())
			if left := w.bus.Profiles(); len(left) != 0 || len(routes) != 0 {
				t.Errorf("it left %v and %v", left, routes)
			}
		})
	}
}

// verify has a code of its own for a fault, with the report on standard output. Every command ends
// with a NetworkManager, or a bus, that is stopped, and says who does not answer.
func TestCommandsEndWhenNetworkManagerHangs(t *testing.T) {
	for _, stop := range []struct {
		what string
		stop func(*dbustest.Bus)
		who  string
	}{{"NetworkManager", (*dbustest.Bus).Hang, "NetworkManager does not answer"}, {"bus", (*dbustest.Bus).Stick, "the system bus does not answer"}} {
		for _, line := range []string{
			"list", "list --json", "show gre1", "route list gre1", "verify gre1", "verify --no-probe gre1", "up gre1", "down gre1", "delete gre1",
			"create --peer 100.0.3.100 --address 172.16.9.1/30", "create --dry-run --peer 100.0.3.100 --address 172.16.9.1/30",
			"edit gre1 --mtu 1400", "route add gre1 10.9.0.0/24", "route delete gre1 10.9.0.0/24",
		} {
			t.Run(stop.what+"/"+line, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.must("create", "--peer", "100.0.2.100", "--address", "172.16.100.1/30", "--no-probe")
				w.patience = 300 * time.Millisecond
				stop.stop(w.bus)
				begin := time.Now()
				o := w.run(strings.Fields(line)...)
				if took := time.Since(begin); o.code != exitNoNetworkManager || !strings.Contains(o.stderr, stop.who) || !strings.Contains(o.stderr, "hint: it hangs") || took > 20*time.Second {
					t.Errorf("exit %d after %s\n%s%s", o.code, took, o.stdout, o.stderr)
				}
				if o := w.run("__complete", "show", ""); !strings.Contains(o.stdout, ":1") {
					t.Errorf("completion: exit %d\n%s%s", o.code, o.stdout, o.stderr)
				}
			})
		}
	}
}

func TestVerifyFault(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	w.kernel.silent = true
	if o := w.run("verify", "--all"); o.code != exitFault || !strings.Contains(o.stdout, "verdict: fail (1 fail)") {
		t.Errorf("verify --all: exit %d\n%s", o.code, o.stdout)
	}
	o := w.run("verify", "gre1")
	if o.code != exitFault || !strings.Contains(o.stdout, "verdict: fail") || o.stderr != "" {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	w.must("down", "gre1")
	if o := w.run("verify", "gre1"); o.code != exitFault || !strings.Contains(o.stdout, "nmgre up gre1") {
		t.Errorf("a tunnel that is down: exit %d\n%s", o.code, o.stdout)
	}
}

// The address of --to has a check of its own, and a wrong one is refused by the flag's name.
func TestVerifyTo(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	if o := w.must("verify", "gre1", "--to", "10.10.2.100", "--to", "10.10.2.101"); !strings.Contains(o.stdout, "to 10.10.2.100") || !strings.Contains(o.stdout, "to 10.10.2.101") {
		t.Errorf("%s", o.stdout)
	}
	if o := w.must("verify", "--all", "--to", "10.10.2.100"); !strings.Contains(o.stdout, "to 10.10.2.100: pass: 10.10.2.100, the far end itself, answers through the tunnel") {
		t.Errorf("%s", o.stdout)
	}
	for _, to := range []string{"", "100.0.2.100", "172.16.0.1"} {
		if o := w.run("verify", "gre1", "--to", to); o.code != exitInvalid || o.stdout != "" || !strings.Contains(o.stderr, "to: ") {
			t.Errorf("--to %q: exit %d\n%s%s", to, o.code, o.stdout, o.stderr)
		}
	}
}

// A silent far end is a warning to create.
func TestCreateWithASilentFarEnd(t *testing.T) {
	w := newWorld(t)
	w.kernel.silent = true
	o := w.must(createArgs...)
	if !strings.Contains(o.stdout, "verdict: warn") || !strings.Contains(o.stdout, "nmgre create --peer 100.0.1.100 --local 100.0.2.100") {
		t.Errorf("it says:\n%s", o.stdout)
	}
}

// Hostile names that come from the bus are shown escaped, in text and in JSON.
func TestHostileNames(t *testing.T) {
	w := newWorld(t)
	evil := "a\x1b]0;b\u009b31m\u202ec"
	tunnel := nm.NewTunnel()
	o := w.must("create", "--dry-run", "--json", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
	if o.code != 0 {
		t.Fatal(o.stderr)
	}
	w.must(createArgs...)
	tunnel.Name = "gre7"
	settings := wire.Encode(tunnel, w.bus.Profiles()[0].Settings)
	settings["connection"]["id"] = dbus.MakeVariant(evil)
	settings["connection"]["uuid"] = dbus.MakeVariant("11111111-2222-4333-8444-555555555555")
	settings["ip-tunnel"]["parent"] = dbus.MakeVariant(evil)
	settings["ip-tunnel"]["remote"] = dbus.MakeVariant("100.0.2.101")
	w.bus.AddProfile(settings)
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"show", "gre7"}, {"show", "gre7", "--json"}, {"down", "gre7"}} {
		o := w.run(args...)
		if text := o.stdout + o.stderr; strings.ContainsAny(text, "\x1b\u009b\u202e") {
			t.Errorf("%v lets control characters through: %q", args, text)
		}
	}
}

// A shell completes the names of tunnels only.
func TestCompletion(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	w.bus.AddProfile(dbustest.Settings{"connection": {"id": dbus.MakeVariant("greatwifi"), "type": dbus.MakeVariant("802-11-wireless"),
		"uuid": dbus.MakeVariant("11111111-2222-4333-8444-555555555556"), "interface-name": dbus.MakeVariant("greatwifi")}})
	for _, command := range []string{"verify", "show", "up", "down", "delete"} {
		o := w.must("__complete", command, "gr")
		if !strings.Contains(o.stdout, "gre1\tactive, to 100.0.2.100") || strings.Contains(o.stdout, "greatwifi") {
			t.Errorf("%s completes to %q", command, o.stdout)
		}
	}
	if o := w.must("__complete", "create", "--mode", "ip6"); !strings.Contains(o.stdout, "ip6gre\nip6gretap\n") {
		t.Errorf("--mode completes to %q", o.stdout)
	}
}

// A key with a leading zero is octal, as for iproute2, and create says so.
func TestOctalKey(t *testing.T) {
	o := newWorld(t).must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--key", "010", "--json")
	if !strings.Contains(o.stdout, `"input_key": 8,`) || !strings.Contains(o.stderr, "the key 010 is octal") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
}

// Tables and the like can be given by the names that iproute2 knows on this host.
func TestRouteNames(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.root, "etc/iproute2/rt_tables")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("100 office\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--dry-run", "--route", "10.10.2.0/24 table office")
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
	w.must("route", "add", "gre1", "10.30.0.0/16", "table", "office")
	if list := w.must("route", "list", "gre1").stdout; strings.Count(list, "table 100") != 1 {
		t.Errorf("the routes:\n%s", list)
	}
	if o := w.run("route", "add", "gre1", "10.40.0.0/16", "table", "nowhere"); o.code != exitInvalid || !strings.Contains(o.stderr, `"nowhere" after table`) {
		t.Errorf("a table that nobody knows: %+v", o)
	}
}
