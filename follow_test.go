package nmgre_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// A tunnel follows its far end's name with all that root keeps, if root's own file has the name.
func TestFollow(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fake.World, *fake.Profile)
		want   string // the far end afterwards
		err    string
	}{
		"it leads there still": {func(*fake.World, *fake.Profile) {}, "100.0.2.100", ""},
		"it leads elsewhere":   {func(w *fake.World, _ *fake.Profile) { w.Names["gw"] = []netip.Addr{want.Addr("100.0.5.100")} }, "100.0.5.100", ""},
		"to several": {func(w *fake.World, _ *fake.Profile) {
			w.Names["gw"] = []netip.Addr{want.Addr("100.0.5.100"), want.Addr("100.0.5.101")}
		}, "100.0.2.100", "gw has 2 addresses"},
		"to this host":      {func(w *fake.World, _ *fake.Profile) { w.Names["gw"] = []netip.Addr{want.Addr("100.0.1.100")} }, "100.0.2.100", "the far end and this end have the same outer address"},
		"a user's own name": {func(_ *fake.World, p *fake.Profile) { p.Tunnel.PeerName = "evil" }, "100.0.2.100", "root's file does not say that it may follow evil"},
		"a user's own name, nothing kept": {func(w *fake.World, p *fake.Profile) {
			delete(w.Files, p.UUID)
			w.RemoveRoutes("10.20.0.0/16")
			p.Tunnel.PeerName = "evil"
		}, "100.0.5.100", ""},
	} {
		w := fake.NewWorld()
		w.Names = map[string][]netip.Addr{"gw": {want.Addr("100.0.2.100")}, "evil": {want.Addr("100.0.5.100")}}
		tunnel := fake.Simple(t)
		tunnel.PeerName, tunnel.Follow = "gw", true
		fake.MustCreate(t, w, tunnel)
		p := w.Named("gre1")
		if kept := w.Files[p.UUID]; kept.PeerName != "gw" {
			t.Fatalf("root's file has the name %q", kept.PeerName)
		}
		c.change(w, p)
		h := w.Start().Host()
		list, err := h.Followed(t.Context(), "")
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v, %v", name, list, err)
		}
		_, err = h.Follow(t.Context(), list[0], nil, false)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.Named("gre1").Tunnel.Remote.String(); got != c.want {
			t.Errorf("%s: the far end is %s", name, got)
		}
		if kept, there := w.Files[p.UUID]; there && kept.Remote.String() != c.want {
			t.Errorf("%s: root keeps it for %s", name, kept.Remote)
		}
	}
}

// The name of a tunnel that was given its far end's address cannot be followed.
func TestFollowNoName(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	h := w.Start().Host()
	if _, err := h.Followed(t.Context(), "gre1"); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	if list, err := h.Followed(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// The name in root's file changes with the first route or rule that is kept, and by an edit of the
// name itself, but never with another edit of a profile that its user has changed.
func TestKeptName(t *testing.T) {
	w := fake.NewWorld()
	w.Names = map[string][]netip.Addr{"gw": {want.Addr("100.0.2.100")}}
	tunnel := fake.Simple(t)
	tunnel.PeerName, tunnel.Follow = "gw", true
	fake.MustCreate(t, w, tunnel)
	uuid := w.Named("gre1").UUID
	edit := func(change func(*nm.Tunnel)) string {
		h := w.Start().Host()
		planned, err := h.PlanEdit(t.Context(), "gre1", func(t *nm.Tunnel) error { change(t); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Edit(t.Context(), planned, nmgre.EditOptions{NoProbe: true}); err != nil {
			t.Fatal(err)
		}
		return w.Files[uuid].PeerName
	}
	if got := edit(func(t *nm.Tunnel) { t.MTU = 1300 }); got != "gw" {
		t.Errorf("an edit of the MTU leaves %q", got)
	}
	w.Named("gre1").Tunnel.PeerName = "evil"
	if got := edit(func(t *nm.Tunnel) { t.ClampMSS = true }); got != "gw" {
		t.Errorf("an edit of a profile with another name leaves %q", got)
	}
	if got := edit(func(t *nm.Tunnel) { t.Follow = false }); got != "" {
		t.Errorf("without --follow there is still %q", got)
	}
	if got := edit(func(t *nm.Tunnel) { t.Follow, t.PeerName = true, "gw" }); got != "gw" {
		t.Errorf("with it again there is %q", got)
	}
}
