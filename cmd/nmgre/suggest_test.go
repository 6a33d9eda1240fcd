package main

import (
	"encoding/json"
	"strings"
	"testing"

	"nmgre/cmd/nmgre/suggest"
)

// A word of another program leads to the command or the flag that is meant, and no word to one that
// does something else.
func TestSuggestions(t *testing.T) {
	w := newWorld(t)
	for line, hint := range map[string]string{
		"rm gre1": "did you mean delete", "remove gre1": "did you mean delete", "stop gre1": "did you mean down", "test gre1": "did you mean verify",
		"status": "did you mean list", "add": "did you mean create", "connect gre1": "did you mean up", "start gre1": "did you mean up",
		"modify gre1": "did you mean edit", "ping gre1": "did you mean verify", "edti gre1": "did you mean edit", "shwo gre1": "did you mean show",
		"xyz":        "nmgre --help lists the commands",
		"help verfy": "did you mean verify", "help documnt": "did you mean document", "help rm": "did you mean delete", "help Recipe": "did you mean recipes",
		"help SNAT": "it is explained in: nmgre help create, or nmgre help notations, or nmgre help root", "help ospf": "it is explained in: nmgre help recipes, or nmgre help ends", "help firewalld": "it is explained in: nmgre help hook, or nmgre help start",
		"help [":   "nmgre help lists the commands and the topics",
		"help xyz": "nmgre help lists the commands and the topics", "help roots": "did you mean root or route or routes",
		"route show gre1": "did you mean list", "route rm gre1 10.10.2.0/24": "did you mean delete", "route gre1": "nmgre route list gre1",
		"create --dst 100.0.2.100": "did you mean --peer", "create -p 100.0.2.100": "did you mean --peer", "create --gateway 172.16.0.2": "did you mean --route '10.10.2.0/24 via 172.16.0.2'",
		"create --dev eth0": "did you mean --parent", "list --dst x": "nmgre list --help lists the flags",
	} {
		o := w.run(strings.Fields(line)...)
		if o.code != exitInvalid || !strings.Contains(o.stderr, "hint: "+hint+"\n") && !strings.Contains(o.stderr, hint+"\n") {
			t.Errorf("nmgre %s: exit %d, %s", line, o.code, o.stderr)
		}
	}
}

// Each word that has a meaning has one that exists.
func TestSuggestionsExist(t *testing.T) {
	a := &app{}
	root := a.rootCommand(nil)
	for word, name := range suggest.Meant {
		below, _, isBelow := strings.Cut(word, " ")
		from := root
		if isBelow {
			from, _, _ = root.Find([]string{below})
		}
		if found, _, err := from.Find([]string{name}); !strings.Contains(name, " ") && (err != nil || found == from) {
			t.Errorf("%s means %s, which is no command", word, name)
		}
	}
	create, _, _ := root.Find([]string{"create"})
	for word, flag := range suggest.MeantFlags {
		name, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), " ")
		if create.Flags().Lookup(name) == nil || create.Flags().Lookup(word) != nil {
			t.Errorf("--%s means %s, which is no flag of create, or is one itself", word, flag)
		}
	}
}

// show has everything of a tunnel that the screens have.
func TestShowIsWhole(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "169.254.10.1/29", "--peer-address", "169.254.10.2", "--peer-address", "169.254.10.3",
		"--snat", "10.10.1.0/24=masquerade", "--forward", "--clamp-mss", "--no-probe")
	out := strings.Join(strings.Fields(w.must("show", "gre1").stdout), " ")
	for _, want := range []string{"peer address: 169.254.10.2, 169.254.10.3", "snat: 10.10.1.0/24=masquerade", "forwarding: between ", "clamp mss: yes"} {
		if !strings.Contains(out, want) {
			t.Errorf("show lacks %q:\n%s", want, out)
		}
	}
	if o := w.run("create", "--peer", "100.0.2.100", "--address", "172.16.9.1/30"); !strings.Contains(o.stderr, "joined already by the device gre1, and neither has a key") {
		t.Errorf("twice the same: %s", o.stderr)
	}
	if o := w.run("edit", "gre9"); !strings.Contains(o.stderr, `no tunnel has the name "gre9"`) {
		t.Errorf("edit of no tunnel: %s", o.stderr)
	}
	if o := w.run("route", "add", "gre1", "10.10.7.0"); o.code != exitDone || !strings.Contains(o.stderr, "the route to 10.10.7.0 leads to that one host; for a network write its prefix length, such as 10.10.7.0/24") {
		t.Errorf("a network without its length: %+v", o)
	}
	w.must("route", "add", "gre1", "10.20.0.0/16", "metric", "50")
	if o := w.run("route", "replace", "gre1", "10.20.0.0/16", "metric", "60"); !strings.Contains(o.stderr, "10.20.0.0/16 metric 50 stays: a route with another metric is another route; to delete it: nmgre route delete gre1 '10.20.0.0/16 metric 50'") {
		t.Errorf("a replacement with another metric: %+v", o)
	}
	if o := w.run("edit", "gre1", "--mtu", "9000", "--dry-run"); !strings.Contains(o.stdout, "an MTU of 9000 does not fit: 1500 - 20 (IPv4) - 4 (GRE) = 1476") {
		t.Errorf("an MTU that does not fit: %+v", o)
	}
}

// verify prints the checks that do not pass and the verdict, and everything on request or if a
// check fails. A warning keeps it short. JSON is always whole.
func TestVerifyIsShort(t *testing.T) {
	w := newWorld(t)
	created := w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24")
	const passed = "all of them: nmgre verify gre1 --all-checks\nverdict: pass\n"
	short := w.must("verify", "gre1").stdout
	if strings.Contains(short, "profile") || strings.Contains(short, "pass  probe") || !strings.HasSuffix(short, passed) || !strings.Contains(created.stdout, passed) {
		t.Errorf("it says\n%s\nand create\n%s", short, created.stdout)
	}
	whole := w.must("verify", "gre1", "--all-checks").stdout
	var report struct{ Checks []struct{ ID, Status string } }
	if err := json.Unmarshal([]byte(w.must("verify", "gre1", "--json").stdout), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Checks) < 8 {
		t.Errorf("JSON is not whole: %v", report)
	}
	for _, c := range report.Checks {
		if got := strings.Contains(short, c.Status+"  "+c.ID); got != (c.Status != "pass") || !strings.Contains(whole, c.ID) {
			t.Errorf("%s %s:\n%s\n%s", c.Status, c.ID, short, whole)
		}
	}
	w.kernel.silent = true
	if failed := w.run("verify", "gre1").stdout; !strings.Contains(failed, "the kernel's link agrees") || strings.Contains(failed, "--all-checks") {
		t.Errorf("a fault does not show everything:\n%s", failed)
	}
}

// The help of a change of routes says how a route is written, and JSON counts the deleted routes by
// the command's word, beside its first name.
func TestRouteTellsItsWords(t *testing.T) {
	w := newWorld(t)
	for _, op := range []string{"add", "replace", "delete"} {
		if help := w.must("route", op, "--help").stdout; !strings.Contains(help, "Write a ROUTE as for ip route") || !strings.Contains(help, "one with another metric is another route") {
			t.Errorf("route %s --help:\n%s", op, help)
		}
	}
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.20.0.0/16")
	var got map[string]any
	if err := json.Unmarshal([]byte(w.must("route", "delete", "gre1", "10.20.0.0/16", "--json").stdout), &got); err != nil || got["deleted"] != 1.0 || got["removed"] != 1.0 {
		t.Errorf("%v: %v", err, got)
	}
	var dry struct {
		Plan struct{ Tunnel map[string]any }
	}
	if err := json.Unmarshal([]byte(w.must("create", "--peer", "100.0.3.100", "--address", "172.16.1.1/30", "--dry-run", "--json").stdout), &dry); err != nil {
		t.Fatal(err)
	}
	if uuid, there := dry.Plan.Tunnel["uuid"]; there {
		t.Errorf("a tunnel that is only planned has the UUID %q", uuid)
	}
}

// The commands over which a new user stumbled: the names and the warnings.
func TestNewUsersWords(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
	if o := w.run("route", "add", "gre1", "default"); !strings.Contains(o.stderr, "the default route covers the far end's outer address") {
		t.Errorf("route add default says\n%s", o.stderr)
	}
	const warning = "does not return by itself"
	if o := w.must("route", "add", "gre1", "10.23.0.0/16 nexthop via 172.16.0.2 nexthop dev gre1 weight 2"); !strings.Contains(o.stderr, warning) {
		t.Errorf("a kept route comes without the hook's warning:\n%s", o.stderr)
	}
	if o := w.must("route", "add", "gre1", "10.22.0.0/16"); strings.Contains(o.stderr, warning) {
		t.Errorf("a route of the profile's brings the hook's warning again:\n%s", o.stderr)
	}
}

// help knows commands and topics. A word that is both is explained as both, and a hidden command is
// none.
func TestHelp(t *testing.T) {
	w := newWorld(t)
	for line, says := range map[string][]string{
		"help":                 {"Available Commands:", "Topics, for nmgre help TOPIC:", "\n  routes "},
		"help routes":          {"nmgre-routes(7): "},
		"help verify":          {"Usage:\n  nmgre verify", "\nnmgre-verify(7): ", "key-mismatch"},
		"help hook":            {"nmgre-hook(7): "},
		"help create":          {"Usage:\n  nmgre create"},
		"help route add":       {"Usage:\n  nmgre route add"},
		"help nmgre-routes(7)": {"nmgre-routes(7): "},
		"help ROUTES":          {"nmgre-routes(7): "},
		"help nmgre-route-add": {"Usage:\n  nmgre route add"},
		"help nmgre-verify.8":  {"\nnmgre-verify(7): "},
		"help nmgre(8)":        {"Available Commands"},
		"help help":            {"nmgre help [COMMAND|TOPIC]"},
		"__complete help r":    {"\nroutes\troutes and rules", "route\tadd, replace", "\nroot\t"},
		"__complete help ver":  {"verify\tprove that"},
	} {
		out := w.must(strings.Fields(line)...).stdout
		for _, one := range says {
			if !strings.Contains(out, one) {
				t.Errorf("nmgre %s does not say %q", line, one)
			}
		}
	}
	if o := w.run("__complete", "help", "verify"); strings.Count(o.stdout, "verify") != 1 {
		t.Errorf("verify is offered twice: %s", o.stdout)
	}
	if o := w.run("help", "create", "extra"); o.code != exitInvalid || !strings.Contains(o.stderr, "hint: to explain nmgre create: nmgre create --help") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	if o := w.run("help", "a\x1b"); o.code != exitInvalid || !strings.Contains(o.stderr, `there is no command a\x1b, and no such topic`) {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}
