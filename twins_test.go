package nmgre_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

const twinUUID = "00000000-0000-4000-8000-0000000000b1"

// addTwin adds a profile for the interface of the tunnel gre1.
func addTwin(w *fake.World, state nm.State) *fake.Profile {
	t := w.Named("gre1").Tunnel.Clone()
	p := nm.Profile{UUID: twinUUID, ID: "twin", State: state, Tunnel: t, Path: "/etc/NetworkManager/system-connections/twin.nmconnection"}
	if state != nm.StateInactive {
		p.Device = "gre1"
	}
	return w.AddProfile(p)
}

// goesDown takes the tunnel gre1 down. Its link stays for some looks at the links; for good if that
// is 0.
func goesDown(w *fake.World, looks int) {
	f := w.Named("gre1")
	w.BringDown(f)
	w.Link("gre1").Dying = looks
}

// check returns the check with that ID.
func check(t *testing.T, r verify.Report, id string) verify.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no check %s in %+v", id, r)
	return verify.Check{}
}

// A tunnel that is up passes beside a twin, which is named. Hints go by UUID.
func TestVerifyBesideATwin(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	addTwin(w, nm.StateInactive)
	r, err := w.Start().Host().Verify(t.Context(), "gre1", verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own := w.Named("gre1").UUID
	c := check(t, r, "profile")
	if r.Verdict == verify.Fail || c.Status != verify.Pass || !strings.Contains(c.Evidence, "beside it twin "+twinUUID+", inactive") || c.Facts["uuid"] != own || c.Facts["twins"] != twinUUID {
		t.Errorf("%s: %+v", r.Verdict, c)
	}
	w.Link("gre1").GRE.TTL = 0
	if r, err = w.Start().Host().Verify(t.Context(), "gre1", verify.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"ttl", "link"} {
		if c := check(t, r, id); !strings.Contains(c.Hint, own) {
			t.Errorf("%s: %s", id, c.Hint)
		}
	}
}

// Whose link it is that has the name of a tunnel which is down: somebody's who made it by hand,
// another profile's, or the tunnel's own, which is going.
func TestVerifyInAnothersPlace(t *testing.T) {
	for _, test := range []struct {
		name  string
		twin  nm.State // "" for none
		looks int      // how long the link stays
		cause string
		hint  string
	}{
		{"by hand", nm.StateExternal, 0, "shadowed", "sudo ip link delete dev gre1 && nmgre up OWN"},
		{"by hand, and not managed", "", 0, "shadowed", "sudo ip link delete dev gre1 && nmgre up OWN"},
		{"another profile", nm.StateActive, 0, "shadowed", "nmgre down " + twinUUID + " && nmgre up OWN"},
		{"the tunnel's own", "", 2, "not-up", "bring it up: nmgre up gre1"},
	} {
		w := fake.NewWorld()
		fake.MustCreate(t, w, fake.Simple(t))
		goesDown(w, test.looks)
		if test.twin != "" {
			addTwin(w, test.twin)
		}
		own := w.Named("gre1").UUID
		r, err := w.Start().Host().Verify(t.Context(), own, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := check(t, r, "device")
		if c.Status != verify.Fail || c.Cause != test.cause || !strings.Contains(c.Hint, strings.ReplaceAll(test.hint, "OWN", own)) {
			t.Errorf("%s: %+v", test.name, c)
		}
		for _, c := range r.Checks { // they are about the tunnel's own link
			if c.ID != "device" && c.Status == verify.Fail {
				t.Errorf("%s: a second finding: %+v", test.name, c)
			}
		}
		if r.Link != nil {
			t.Errorf("%s: the report has another's link", test.name)
		}
	}
}

// The name of a device of the kernel's own can be no tunnel's: verify says which name can.
func TestVerifyAFallbackDevice(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	goesDown(w, 0)
	w.Named("gre1").Tunnel.Name, w.Named("gre1").ID, w.Link("gre1").Name = "gre0", "gre0", "gre0"
	r, err := w.Start().Host().Verify(t.Context(), "gre0", verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := check(t, r, "device"); c.Status != verify.Fail || !strings.Contains(c.Summary, "gre0 is a device of the kernel's own") || !strings.HasSuffix(c.Hint, "nmgre edit gre0 --name gre1") {
		t.Errorf("%+v", c)
	}
}

// NetworkManager brings a copy of a profile up as soon as that is deleted or down: the link is the
// copy's then, which is told, and nothing is left to remove.
func TestDeleteBesideACopy(t *testing.T) {
	for _, test := range []struct {
		state  nm.State
		delete bool
	}{{nm.StateActive, true}, {nm.StateExternal, true}, {nm.StateActive, false}, {nm.StateExternal, false}} {
		synctest.Test(t, func(t *testing.T) {
			w := fake.NewWorld()
			fake.MustCreate(t, w, fake.Simple(t))
			addTwin(w, nm.StateInactive)
			own := w.Named("gre1").UUID
			p := w.Start()
			p.Turn = func(int, string) {
				if link, f := w.Link("gre1"), w.Profile(own); (f == nil || f.State == nm.StateInactive) && link.Dying > 0 {
					twin := w.Profile(twinUUID)
					link.Dying, twin.State, twin.Device = 0, test.state, "gre1"
				}
			}
			h, told := p.Host(), ""
			h.Progress = func(e nmgre.Event) { told += e.What }
			verb := h.Down
			if test.delete {
				verb = h.Delete
			}
			_, err := verb(t.Context(), own)
			if stays := test.state == nm.StateExternal; stays != errors.Is(err, fault.ErrTimeout) || !stays && err != nil || stays == strings.Contains(told, "another profile for gre1 by itself: twin "+twinUUID) {
				t.Errorf("a link that is %s: %v, told %q", test.state, err, told)
			}
		})
	}
}

// A question by name is about the profile, not about the link that was made by hand in its place.
func TestVerifyTheSaved(t *testing.T) {
	w := fake.NewWorld()
	fake.MustCreate(t, w, fake.Simple(t))
	goesDown(w, 0)
	addTwin(w, nm.StateExternal)
	r, err := w.Start().Host().Verify(t.Context(), "gre1", verify.Options{})
	if err != nil || check(t, r, "device").Facts["uuid"] != w.Named("gre1").UUID {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = w.Start().Host().Verify(t.Context(), twinUUID, verify.Options{}); err != nil {
		t.Fatal(err)
	}
	if c := check(t, r, "profile"); c.Status != verify.Warn || !strings.Contains(c.Hint, "sudo ip link delete dev gre1 && nmgre up "+w.Named("gre1").UUID) {
		t.Errorf("of the link itself: %+v", c)
	}
}

// An SNAT rule that another program's forestalls fails, with that rule's name; one that works
// passes, with its counter.
func TestVerifySNAT(t *testing.T) {
	w := fake.NewWorld()
	request := fake.Simple(t)
	request.SNAT, request.Forward = []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}, true
	fake.MustCreate(t, w, request)
	look := func() verify.Check {
		t.Helper()
		r, err := w.Start().Host().Verify(t.Context(), "gre1", verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return check(t, r, "snat 10.10.1.0/24 from 172.16.0.0/30")
	}
	if c := look(); c.Status != verify.Pass || !strings.Contains(c.Evidence, "its counter grew by 1 when a packet was sent from 172.16.0.1 to 10.10.1.2") {
		t.Errorf("%+v", c)
	}
	taker := keep.Ruling{Program: "nftables", Table: "fault", Chain: "faulty", Handle: 3, What: "the chain faulty takes them", Hint: "sudo nft insert rule"}
	w.SNATTaken = &keep.Translations{Sources: []netip.Addr{want.Addr("10.10.1.7")}, Others: []keep.OuterRewrite{{Ruling: taker, Out: true, To: want.Addr("10.10.1.7")}}}
	if c := look(); c.Status != verify.Fail || c.Cause != "snat-taken" || c.Certainty != verify.Proved || c.Facts["table"] != "fault" || c.Facts["source"] != "10.10.1.7" || !strings.Contains(c.Hint, "sudo nft insert rule") {
		t.Errorf("%+v", c)
	}
	w.NoRoot = true
	if c := look(); c.Status != verify.Skip || c.Cause != "" {
		t.Errorf("without root: %+v", c)
	}
}
