package main

import (
	"fmt"
	"strings"
	"testing"

	"nmgre/nm/dbus/dbustest"
)

// A shell offers files only where files are read, and devices where they are wanted.
func TestCompleteValues(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{
		"create --peer": ":4", "edit gre1 --mtu": ":4", "pair --confirm": ":4", "route add gre1 --wait": ":4", "create": ":4", "apply": ":4", "version": ":4",
		"create --routes-from": ":0", "rule add gre1 --rules-from": ":0", "apply --file": ":0", "apply -f": ":0", "import": ":0",
	} {
		if out := w.must(append(append([]string{"__complete"}, strings.Fields(line)...), "")...).stdout; !strings.HasSuffix(out, want+"\n") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %q, want %s", line, out, want)
		}
	}
	if out := w.must("__complete", "create", "--parent", "").stdout; !strings.HasSuffix(out, ":4\n") || strings.Contains(out, "lo\n") {
		t.Errorf("--parent: %q", out)
	}
}

// A shell that completes a name among many profiles waits for their files only, as long as
// NetworkManager has as many profiles as there are files. Otherwise NetworkManager is asked.
func TestCompleteAmongMany(t *testing.T) {
	w := newWorld(t)
	file := func(i int) {
		w.plant(fmt.Sprintf("etc/NetworkManager/system-connections/many%d.nmconnection", i),
			fmt.Sprintf("[connection]\nuuid=u-%d\ntype=ip-tunnel\ninterface-name=many%d\n[ip-tunnel]\nmode=2\nremote=192.0.2.2\n", i, i))
	}
	for i := range manyProfiles {
		w.bus.AddProfile(dbustest.Settings{"connection": {}})
		file(i)
	}
	o := w.must("__complete", "show", "many1")
	if n := strings.Count(o.stdout, "\tto 192.0.2.2\n"); n != 11 || w.bus.Count("GetSettings") != 0 {
		t.Errorf("%d names, %d questions about settings:\n%s", n, w.bus.Count("GetSettings"), o.stdout)
	}
	file(manyProfiles) // NetworkManager has not read it
	if w.must("__complete", "show", ""); w.bus.Count("GetSettings") != manyProfiles {
		t.Errorf("%d questions about settings where a file is no profile", w.bus.Count("GetSettings"))
	}
}
