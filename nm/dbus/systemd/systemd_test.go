package systemd_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/systemd"
)

// systemd reads its units again before it starts one. Its refusal, and its silence, are errors.
func TestReload(t *testing.T) {
	bus := dbustest.Start(t)
	calls := func() (members []string) {
		for _, c := range bus.Calls() {
			if c.Member == "Reload" || c.Member == "StartUnit" {
				members = append(members, c.Member)
			}
		}
		return members
	}
	if err := systemd.Reload(t.Context(), bus.Address(), ""); err != nil || !slices.Equal(calls(), []string{"Reload"}) {
		t.Errorf("%v, %q", err, calls())
	}
	if err := systemd.Reload(t.Context(), bus.Address(), "nmgre-rules.service"); err != nil || !slices.Equal(calls(), []string{"Reload", "Reload", "StartUnit"}) {
		t.Errorf("%v, %q", err, calls())
	}
	all := bus.Calls()
	if last := all[len(all)-1]; !slices.Equal(last.Args, []any{"nmgre-rules.service", "replace"}) || last.Path != "/org/freedesktop/systemd1" {
		t.Errorf("%+v", last)
	}
	bus.Break("StartUnit", dbustest.Fault{Error: "org.freedesktop.systemd1.NoSuchUnit", Text: "Unit not found\x1b[2J"})
	if err := systemd.Reload(t.Context(), bus.Address(), "x.service"); err == nil || !strings.Contains(err.Error(), "Unit not found") || strings.Contains(err.Error(), "\x1b") {
		t.Error(err)
	}
	bus.Break("Reload", dbustest.Fault{Silent: true})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := systemd.Reload(ctx, bus.Address(), ""); err == nil {
		t.Error("silence was taken for an answer")
	}
	if err := systemd.Reload(t.Context(), "unix:path="+t.TempDir()+"/none", ""); err == nil {
		t.Error("there is no bus")
	}
}
