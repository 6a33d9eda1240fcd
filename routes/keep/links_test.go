package keep_test

import (
	"testing"

	"nmgre/nm"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// optioned returns a host with a tunnel whose link has options.
func optioned(t *testing.T, options gre.LinkOptions) (w *fake.World, kept keep.Kept) {
	t.Helper()
	w = fake.NewWorld()
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Remote, tunnel.Addresses, tunnel.Link = "gre1", want.Addr("100.0.2.100"), want.CIDRs("172.16.0.1/30"), options
	created := fake.MustCreate(t, w, tunnel)
	return w, created.Status.Kept
}

// has returns the options of the link.
func has(w *fake.World) string { return w.Link("gre1").Options().String() }

// The options are set on each new link, and those that somebody else has set stay when nmgre's go.
func TestLinkOptionsComeAndGo(t *testing.T) {
	w, kept := optioned(t, gre.LinkOptions{Checksum: true, Multicast: true})
	want.Same(t, "after create", has(w), "multicast checksum")
	p := w.Named("gre1")
	w.BringDown(p)
	w.Settle()
	if err := w.BringUp(p); err != nil {
		t.Fatal(err)
	}
	want.Same(t, "on a new link", has(w), "")
	converge := func() {
		t.Helper()
		if _, err := w.Start().Keeper().Converge(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	converge()
	want.Same(t, "after the hook", has(w), "multicast checksum")
	w.Link("gre1").GRE.Sequence = true // somebody else
	kept.Link, kept.Stamp = gre.LinkOptions{Multicast: true}, ""
	if _, err := w.Start().Keeper().Keep(t.Context(), kept, nil); err != nil {
		t.Fatal(err)
	}
	want.Same(t, "without checksums", has(w), "multicast sequence")
	if err := w.Start().Keeper().Forget(t.Context(), kept.UUID); err != nil {
		t.Fatal(err)
	}
	want.Same(t, "with nothing kept", has(w), "sequence")
}

// An option that was there before is not nmgre's to take away.
func TestLinkOptionsOfOthers(t *testing.T) {
	w, kept := optioned(t, gre.LinkOptions{Checksum: true})
	l := w.Link("gre1")
	l.GRE.Sequence = true
	kept.Link, kept.Stamp = gre.LinkOptions{Checksum: true, Sequence: true}, ""
	for _, step := range []struct {
		options gre.LinkOptions
		want    string
	}{{kept.Link, "checksum sequence"}, {gre.LinkOptions{Multicast: true}, "multicast sequence"}} {
		kept.Link = step.options
		if _, err := w.Start().Keeper().Keep(t.Context(), kept, nil); err != nil {
			t.Fatal(err)
		}
		want.Same(t, step.options.String(), has(w), step.want)
	}
}

// A refusal of the kernel undoes the whole change: the file, and the options that it has taken.
func TestLinkOptionsAreUndone(t *testing.T) {
	w, kept := optioned(t, gre.LinkOptions{Checksum: true})
	before := w.String()
	kept.Link, kept.Stamp = gre.LinkOptions{IgnoreDF: true, Sequence: true}, "" // the link discovers the path MTU
	if _, err := w.Start().Keeper().Keep(t.Context(), kept, nil); err == nil {
		t.Fatal("ignore-df is taken with path MTU discovery")
	}
	want.Same(t, "after the refusal", w.String(), before)
}
