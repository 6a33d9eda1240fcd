package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/dbustest"
)

const officesText = `tunnels:
  - name: gre1
    peer: 100.0.2.100
    addresses: [172.16.0.1/30]
    routes: [10.10.2.0/24]
  - name: gre2
    peer: 100.0.3.100
    addresses: [172.16.1.1/30]
    key: 42
    ttl: 9
`

// apply runs apply for a document.
func (w *world) apply(text string, args ...string) outcome {
	w.t.Helper()
	w.stdin = strings.NewReader(text)
	return w.run(append([]string{"apply", "-f", "-"}, args...)...)
}

// A person sees these texts, word for word, and a program this JSON.
func TestApplyOutputs(t *testing.T) {
	changed := strings.Replace(officesText, "key: 42", "key: 43", 1)
	for _, c := range []struct {
		name, before, text string
		args               []string
		code               int
	}{
		{"apply", "", officesText, nil, exitDone},
		{"apply-json", "", officesText, []string{"--json"}, exitDone},
		{"apply-check", "", officesText, []string{"--check", "--diff"}, exitDone},
		{"apply-again", officesText, officesText, nil, exitDone},
		{"apply-again-json", officesText, officesText, []string{"--json"}, exitDone},
		{"apply-change", officesText, changed, []string{"--diff"}, exitDone},
		{"apply-change-json", officesText, changed, []string{"--json", "--check"}, exitDone},
		{"apply-prune", officesText, "tunnels: [{name: gre2, state: absent}]", []string{"--prune", "--diff"}, exitDone},
		{"apply-prune-json", officesText, "tunnels: [{name: gre2, state: absent}]", []string{"--prune", "--json"}, exitDone},
		{"apply-wrong", officesText, strings.Replace(officesText, "ttl", "tll", 1), nil, exitInvalid},
		{"apply-wrong-json", officesText, strings.Replace(officesText, "ttl", "tll", 1), []string{"--json"}, exitInvalid},
		{"apply-help", "", "", []string{"--help"}, exitDone},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.before != "" {
				if o := w.apply(c.before); o.code != exitDone {
					t.Fatal(o)
				}
			}
			o := w.apply(c.text, c.args...)
			if o.code != c.code {
				t.Errorf("exit %d, want %d", o.code, c.code)
			}
			golden(t, c.name+".out", o.stdout+"---- stderr\n"+o.stderr)
		})
	}
}

// A document of export changes nothing, whatever the tunnels are, and the second of two is the
// same.
func TestExportAndApply(t *testing.T) {
	w := newWorld(t)
	all := `tunnels:
  - {name: gre1, peer: 100.0.2.100, local: any, addresses: [172.16.0.1/30, "fd00::1/126"], routes: [10.10.2.0/24, 10.1.0.0/16 metric 7], autoconnect: false}
  - {name: gre2, peer: 100.0.3.100, addresses: 172.16.1.1/30, input-key: 1, output-key: 2, snat: 10.10.1.0/24=masquerade, forward: true, clamp-mss: true}
  - {name: tap, mode: gretap, peer: 100.0.4.100, addresses: 172.16.3.1/24, peer-addresses: [172.16.3.9, 172.16.3.10], mac: "02:00:5e:10:00:01"}
`
	if o := w.apply(all); o.code != exitDone {
		t.Fatal(o)
	}
	w.must("create", "--peer", "100.0.5.100", "--address", "172.16.5.1/32", "--peer-address", "172.16.6.1", "--name", "other", "--no-probe=always")
	text := w.must("export").stdout
	for _, args := range [][]string{{"--json"}, {"--json", "--prune"}, {"--json", "--check"}} {
		o := w.apply(text, args...)
		var form struct {
			Changed bool
			Diff    []struct{ Tunnel, Action string }
		}
		if err := json.Unmarshal([]byte(o.stdout), &form); err != nil || form.Changed || len(form.Diff) != 4 {
			t.Errorf("%v: %v\n%s%s\n%s", args, err, o.stdout, o.stderr, text)
		}
	}
	if o := w.apply(all, "--json"); !strings.Contains(o.stdout, `"changed": false`) {
		t.Errorf("the document itself again: %s%s", o.stdout, o.stderr)
	}
	if again := w.must("export").stdout; again != text {
		t.Errorf("%s\nbecame\n%s", text, again)
	}
	if one := w.must("export", "tap").stdout; strings.Count(one, "- name") != 1 {
		t.Error(one)
	}
	if o := w.run("export", "nothing"); o.code != exitInvalid {
		t.Error(o)
	}
}

// What a document or another notation leaves out of a profile is named beside it.
func TestExportTellsTheRest(t *testing.T) {
	w := newWorld(t)
	if o := w.apply(officesText); o.code != exitDone {
		t.Fatal(o)
	}
	before := w.must("export")
	w.bus.Change(w.bus.Profiles()[1].Path, func(s dbustest.Settings) {
		s["ipv4"]["dns-search"] = dbus.MakeVariant([]string{"example.org"})
		s["ipv4"]["route-metric"] = dbus.MakeVariant(int64(50))
	})
	after := w.must("export")
	if want := "nmgre: note: the document leaves out what else the profile of gre2 has: ipv4.dns-search example.org; ipv4.route-metric 50\n"; before.stderr != "" || after.stderr != want || after.stdout != before.stdout {
		t.Errorf("%+v\n%+v", before, after)
	}
	if o := w.must("show", "gre2", "--as", "ip", "--end", "near"); !strings.Contains(o.stderr, "note: ip leaves out") {
		t.Errorf("%+v", o)
	}
	for _, quiet := range [][]string{{"show", "gre2", "--as", "ip"}, {"export", "gre1"}} {
		if o := w.must(quiet...); strings.Contains(o.stderr, "leaves out") {
			t.Errorf("%v: %+v", quiet, o)
		}
	}
}

// An error of one tunnel undoes all others.
func TestApplyTakesBack(t *testing.T) {
	w := newWorld(t)
	if o := w.apply(officesText); o.code != exitDone {
		t.Fatal(o)
	}
	before := w.must("export").stdout
	w.bus.Break("ActivateConnection", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Failed", Text: "no"})
	text := strings.Replace(officesText, "ttl: 9", "ttl: 9\n    mtu: 1300", 1) + "  - {name: gre8, peer: 100.0.8.100, addresses: 172.16.8.1/30}\n  - {name: gre9, peer: 100.0.9.100, addresses: 172.16.9.1/30}\n"
	o := w.apply(text, "--json")
	if o.code != exitFailed || !strings.Contains(o.stdout, `"error"`) || !strings.Contains(o.stderr, "none of the 3 was done") {
		t.Errorf("%+v", o)
	}
	if after := w.must("export").stdout; after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
}

// Many tunnels are made with many requests in flight, and the progress is told.
func TestApplyMany(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	b.WriteString("tunnels:\n")
	for i := range 60 {
		fmt.Fprintf(&b, "  - {name: t%d, peer: 100.1.0.%d, addresses: 172.17.%d.1/30, routes: [10.50.%d.0/24]}\n", i, i+1, i, i)
	}
	if o := w.apply(b.String()); o.code != exitDone || !strings.Contains(o.stdout, "60 made") {
		t.Fatal(o)
	}
	if o := w.apply(b.String()); o.code != exitDone || !strings.Contains(o.stdout, "60 as wanted") {
		t.Error(o)
	}
	if o := w.apply("tunnels: []", "--prune"); o.code != exitDone || !strings.Contains(o.stdout, "60 deleted") {
		t.Error(o)
	}
	if text := w.must("export").stdout; text != "tunnels: []\n" {
		t.Error(text)
	}
}

// A document with hosts is applied by the host's name.
func TestApplyHost(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "mesh.yaml")
	text := "hosts: {paris: {outer: 100.0.1.100}, rome: {outer: 100.0.2.100}}\npool: 172.31.0.0/16\nlinks: [{full: all}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := w.run("apply", "-f", file, "--host", "madrid"); o.code != exitInvalid || !strings.Contains(o.stderr, "no host \"madrid\"") {
		t.Error(o)
	}
	w.must("apply", "-f", file, "--host", "paris")
	if list := w.must("list").stdout; !strings.Contains(list, "gre-rome") {
		t.Error(list)
	}
	if o := w.apply(officesText, "--host", "paris"); o.code != exitInvalid || !strings.Contains(o.stderr, "host: the document names no hosts") {
		t.Error(o)
	}
	if o := w.apply(officesText, "--confirm", "10s"); o.code != exitInvalid || !strings.Contains(o.stderr, "standard input cannot both") {
		t.Error(o)
	}
}

// --wait is for each tunnel, and those that --prune deletes count, too. Two tunnels of one document
// that are in each other's way are refused.
func TestApplyPruneHasTime(t *testing.T) {
	w := newWorld(t)
	var text strings.Builder
	text.WriteString("tunnels:\n")
	for i := range 4 {
		fmt.Fprintf(&text, "  - {name: gre%d, peer: 100.0.2.100, key: %d, addresses: 172.16.%d.1/30}\n", i+1, i+1, i)
	}
	if o := w.apply(text.String()); o.code != exitDone {
		t.Fatal(o)
	}
	both := strings.ReplaceAll(text.String(), "gre1, peer: 100.0.2.100, key: 1,", "gre9, peer: 100.0.2.100, key: 9,") + "  - {name: gre8, peer: 100.0.2.100, key: 8, addresses: 172.16.0.1/30}\n"
	if o := w.apply(both, "--check", "--prune"); o.code != exitInvalid || !strings.Contains(o.stderr, "addresses: the inner networks of gre9 and gre8 overlap") {
		t.Errorf("two tunnels of one network: %v", o)
	}
	w.bus.Break("Delete", dbustest.Fault{Delay: 900 * time.Millisecond})
	if o := w.apply("tunnels: []\n", "--prune", "--wait", "2s"); o.code != exitDone || !strings.Contains(o.stdout, "4 deleted") {
		t.Errorf("four are deleted in the time of one: %v", o)
	}
}
