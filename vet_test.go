package nmgre

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// vetted is a host with a tunnel gre1 that is up and one gre2 that is down, and what could be kept for gre1.
func vetted(t *testing.T) (*world, Kept) {
	t.Helper()
	w := newWorld()
	want := simple(t)
	want.Routes = nil
	created := mustCreate(t, w, want)
	w.addProfile(Profile{UUID: "00000000-0000-4000-8000-0000000000b2", ID: "gre2", State: StateInactive, Tunnel: Tunnel{Name: "gre2", Mode: ModeGRE, Remote: addr("100.0.3.100")}})
	w.addProfile(Profile{UUID: "00000000-0000-4000-8000-0000000000b3", ID: "hand", State: StateExternal, Tunnel: Tunnel{Name: "hand", Mode: ModeGRE, Remote: addr("100.0.4.100")}})
	return w, Kept{UUID: created.Status.UUID, Name: "gre1", Remote: addr("100.0.2.100"), Inner: cidrs("172.16.0.0/30"),
		Routes: []Route{route(t, "10.20.0.0/16 nexthop via 172.16.0.2 nexthop dev gre2 weight 2")},
		SNAT:   []SNAT{{Dst: cidr("10.10.1.0/24"), Source: addr("10.10.1.1")}}, Forward: []string{"gre1", "eth1"}, ClampMSS: true}
}

// Whatever somebody who is not root asks for is looked at against the host: each lie is refused by itself, and nothing is changed.
func TestVet(t *testing.T) {
	list := func(n int, format string) (routes []Route) {
		for i := range n {
			routes = append(routes, route(t, fmt.Sprintf(format, i>>8, i&255)))
		}
		return routes
	}
	for _, test := range []struct {
		name string
		set  func(w *world, k *Kept)
		kind error // nil if it may be kept
		want string
	}{
		{"all true", func(*world, *Kept) {}, nil, ""},
		{"in another order", func(w *world, k *Kept) {
			w.named("gre1").Tunnel.Addresses = cidrs("172.16.0.1/30", "2001:db8:9::1/64")
			k.Inner = cidrs("2001:db8:9::/64", "172.16.0.0/30")
		}, nil, ""},
		{"the tunnel is down", func(w *world, _ *Kept) { w.start().deactivate(w.named("gre1")) }, nil, ""},
		{"a long list", func(_ *world, k *Kept) { k.Routes = list(MaxProfileRoutes+1, "10.30.%d.%d/32") }, nil, ""},
		{"a route that a profile could hold has been kept before", func(w *world, k *Kept) {
			k.Routes = append(k.Routes, route(t, "10.31.0.0/16"))
			w.files[k.UUID] = Kept{UUID: k.UUID, Name: "gre1", Routes: list(MaxProfileRoutes+1, "10.30.%d.%d/32")}
			k.Routes = w.files[k.UUID].Routes[:2]
		}, nil, ""},
		{"the LAN's device has gone since", func(w *world, k *Kept) { w.files[k.UUID] = k.Clone(); w.removeLink("eth1") }, nil, ""},

		{"no UUID", func(_ *world, k *Kept) { k.UUID = "" }, ErrInvalid, "is no UUID"},
		{"a path as UUID", func(_ *world, k *Kept) { k.UUID = "../../../../../../etc/passwd\x00aaaaaaa" }, ErrInvalid, "is no UUID"},
		{"a UUID that is nobody's", func(_ *world, k *Kept) { k.UUID = newUUID() }, ErrNotFound, ""},
		{"another tunnel's UUID", func(w *world, k *Kept) { k.UUID = w.named("gre2").UUID }, ErrInvalid, "the interface of the profile is gre2, not gre1"},
		{"a connection's that is no tunnel", func(w *world, k *Kept) { k.UUID = w.named("wan").UUID }, ErrInvalid, "is no GRE tunnel"},
		{"one made by hand", func(w *world, k *Kept) { k.UUID = w.named("hand").UUID }, ErrInvalid, "is no GRE tunnel"},
		{"another device", func(_ *world, k *Kept) { k.Name = "eth0" }, ErrInvalid, "the interface of the profile is gre1, not eth0"},
		{"another far end", func(_ *world, k *Kept) { k.Remote = addr("100.0.1.1") }, ErrInvalid, "the far end of gre1 is 100.0.2.100, not 100.0.1.1"},
		{"another inner network", func(_ *world, k *Kept) { k.Inner = cidrs("0.0.0.0/0") }, ErrInvalid, "the inner networks of gre1 are others: [172.16.0.0/30]"},
		{"one more inner network", func(_ *world, k *Kept) { k.Inner = append(k.Inner, cidr("10.10.1.0/24")) }, ErrInvalid, "are others"},
		{"no inner network", func(_ *world, k *Kept) { k.Inner = nil }, ErrInvalid, "are others"},
		{"lines that cannot be read", func(_ *world, k *Kept) { k.Bad = []BadLine{{7, errBroken}} }, ErrInvalid, "line 7 cannot be read"},
		{"nothing", func(_ *world, k *Kept) { *k = Kept{UUID: k.UUID, Name: k.Name} }, ErrInvalid, "nothing to keep"},
		{"very much SNAT", func(_ *world, k *Kept) { k.SNAT = slices.Repeat(k.SNAT, maxVetted+1) }, ErrInvalid, "more than 1000"},

		{"a device that is not there", func(_ *world, k *Kept) { k.Forward = []string{"gre1", "eth7"} }, ErrInvalid, "there is no device eth7"},
		{"devices without the tunnel's", func(_ *world, k *Kept) { k.Forward = []string{"eth0", "eth1"} }, ErrInvalid, "gre1 is not among the devices"},
		{"a source that is not here", func(_ *world, k *Kept) { k.SNAT[0].Source = addr("8.8.8.8") }, ErrInvalid, "8.8.8.8 is not an address of this host"},
		{"SNAT of another family", func(_ *world, k *Kept) { k.SNAT[0] = SNAT{Dst: cidr("2001:db8::/32")} }, ErrInvalid, "no inner address of its family"},
		{"SNAT twice", func(_ *world, k *Kept) { k.SNAT = append(k.SNAT, k.SNAT[0]) }, ErrInvalid, "is given twice"},

		{"a route that a profile can hold", func(_ *world, k *Kept) { k.Routes = append(k.Routes, route(t, "10.31.0.0/16")) }, ErrInvalid, "10.31.0.0/16: NetworkManager can hold it"},
		{"a route twice", func(_ *world, k *Kept) { k.Routes = append(k.Routes, k.Routes[0]) }, ErrInvalid, "is there twice"},
		{"a gateway elsewhere", func(_ *world, k *Kept) {
			k.Routes[0] = route(t, "10.20.0.0/16 nexthop via 100.0.1.1 nexthop dev gre2")
		}, ErrInvalid, "is in none of the tunnel's networks"},
		{"a route of another family", func(_ *world, k *Kept) {
			k.Routes[0] = route(t, "2001:db8::/32 nexthop dev gre1 nexthop dev gre2")
		}, ErrInvalid, "no inner address of its family"},
		{"a route out of the host", func(_ *world, k *Kept) {
			k.Routes[0] = route(t, "10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0")
		}, ErrNotPermitted, "eth0 is no tunnel, and root alone leads packets elsewhere"},
		{"a route into a device that is not there", func(_ *world, k *Kept) {
			k.Routes[0] = route(t, "10.20.0.0/16 nexthop via 172.16.0.2 nexthop dev nosuch")
		}, ErrNotPermitted, "nosuch is no tunnel"},
		{"another tunnel's route", func(w *world, k *Kept) {
			w.addProfile(Profile{UUID: newUUID(), ID: "gre3", State: StateInactive, Tunnel: Tunnel{Name: "gre3", Mode: ModeGRE}})
			k.Routes[0] = route(t, "10.20.0.0/16 nexthop dev gre2 nexthop dev gre3")
		}, ErrInvalid, "no nexthop leads into gre1"},
		{"very many lies", func(_ *world, k *Kept) { k.Routes = list(MaxProfileRoutes, "10.30.%d.%d/32") }, ErrInvalid, "NetworkManager can hold it"},
		{"files that cannot be trusted", func(w *world, _ *Kept) { w.fileErr = errBroken }, errBroken, ""},
		{"NetworkManager is away", func(w *world, _ *Kept) { w.managerErr = &Error{Kind: ErrNoNetworkManager, What: "it is away"} }, ErrNoNetworkManager, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, k := vetted(t)
			test.set(w, &k)
			before := w.String()
			got, err := Vet(t.Context(), w.start().host().System, k)
			same(t, "the host", w.String(), before)
			if test.kind == nil {
				if err != nil || len(got.Routes) != len(k.Routes) || got.Name != "gre1" {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) || !got.Empty() {
				t.Errorf("%v, want %q", err, test.want)
			}
			if len(flatten(err)) > maxToldErrors {
				t.Errorf("%d errors", len(flatten(err)))
			}
		})
	}
}

// What may be kept has NetworkManager's words in it, not the caller's.
func TestVetTakesTheProfilesWord(t *testing.T) {
	w, k := vetted(t)
	w.named("gre1").Tunnel.Addresses = cidrs("172.16.0.1/30", "2001:db8:9::1/64")
	k.Inner = cidrs("2001:db8:9::/64", "172.16.0.0/30", "2001:db8:9::/64")
	got, err := Vet(t.Context(), w.start().host().System, k)
	if err != nil || !slices.Equal(got.Inner, cidrs("172.16.0.0/30", "2001:db8:9::/64")) {
		t.Errorf("%v, %v", got.Inner, err)
	}
}

// asking is the Keeper of somebody who is not root: a process that is does the work when it is asked.
type asking struct {
	*LocalKeeper
	may, refused error // of MayKeep, and of being asked
	asked        []string
}

func (a *asking) MayKeep() error { return a.may }

func (a *asking) Keep(ctx context.Context, k Kept, progress func(done, total int)) (Converged, error) {
	a.asked = append(a.asked, "keep")
	if a.refused != nil {
		return Converged{}, a.refused
	}
	return a.LocalKeeper.Keep(ctx, k, progress)
}

func (a *asking) Forget(ctx context.Context, uuid string) error {
	a.asked = append(a.asked, "forget")
	if a.refused != nil {
		return a.refused
	}
	return a.LocalKeeper.Forget(ctx, uuid)
}

func (a *asking) Converge(ctx context.Context) (Converged, error) {
	a.asked = append(a.asked, "converge")
	return a.LocalKeeper.Converge(ctx)
}

// ann is a process of a user who is not root, with her Keeper.
func (w *world) ann() (*process, *asking, *Host) {
	w.noRoot = true
	root := w.start()
	root.asRoot = true
	p, keeper := w.start(), &asking{LocalKeeper: root.keeper()}
	h := p.host()
	h.Keeper = keeper
	return p, keeper, h
}

var errDismissed = &Error{Kind: ErrNotPermitted, What: "dismissed", Hint: HintRoot}

// Somebody who is not root makes, changes and deletes a tunnel with routes that root keeps, and is asked once for each. Looking is free.
func TestWithoutRoot(t *testing.T) {
	w := newWorld()
	before := w.String()
	_, keeper, h := w.ann()
	asked := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(keeper.asked, want) {
			t.Errorf("%s: asked %q, want %q", what, keeper.asked, want)
		}
		keeper.asked = nil
	}
	if _, err := create(t.Context(), h, simple(t)); err != nil {
		t.Fatal(err)
	}
	asked("create", "keep")
	if len(w.files) != 1 || len(w.routesOf("gre1")) == 0 {
		t.Errorf("after create:\n%s", w)
	}
	for _, look := range []func() error{
		func() error { _, err := h.List(t.Context()); return err },
		func() error { _, err := h.Show(t.Context(), "gre1"); return err },
		func() error { _, _, err := h.Routes(t.Context(), "gre1"); return err },
		func() error { _, err := h.Verify(t.Context(), "gre1", VerifyOptions{}); return err },
		func() error { _, err := h.Down(t.Context(), "gre1"); return err },
		func() error { _, err := h.Up(t.Context(), "gre1"); return err },
	} {
		if err := look(); err != nil {
			t.Error(err)
		}
	}
	asked("looking, down and up")
	change := RouteChange{Op: RouteAdd, Routes: []Route{route(t, "10.40.0.0/16 nexthop via 172.16.0.2 nexthop via 172.16.0.2 weight 2")}}
	if _, err := h.ChangeRoutes(t.Context(), "gre1", change); err != nil {
		t.Error(err)
	}
	asked("route add", "keep")
	change.Routes = []Route{route(t, "10.50.0.0/16")}
	if _, err := h.ChangeRoutes(t.Context(), "gre1", change); err != nil {
		t.Error(err)
	}
	asked("route add of the profile's own")
	if _, err := h.Delete(t.Context(), "gre1"); err != nil {
		t.Error(err)
	}
	asked("delete", "forget")
	same(t, "the host", w.String(), before)
}

// Who cannot even ask is told so before anything is done, with the reason.
func TestWithoutRootAndPolkit(t *testing.T) {
	w := newWorld()
	before := w.String()
	_, keeper, h := w.ann()
	keeper.may = &Error{Kind: ErrNotPermitted, What: "pkexec is not installed", Hint: HintRoot}
	_, err := h.Plan(t.Context(), simple(t))
	if !errors.Is(err, ErrNotPermitted) || !strings.HasSuffix(err.Error(), "the rest needs root: pkexec is not installed") || !slices.Equal(Hints(err), []string{HintRoot}) {
		t.Errorf("%v, hints %q", err, Hints(err))
	}
	same(t, "the host", w.String(), before)
	keeper.may = nil
	if _, err := create(t.Context(), h, simple(t)); err != nil {
		t.Fatal(err)
	}
	made := w.String()
	keeper.may = errDismissed
	if _, err := h.Delete(t.Context(), "gre1"); !errors.Is(err, ErrNotPermitted) {
		t.Error(err)
	}
	same(t, "the host", w.String(), made)
	if !slices.Equal(keeper.asked, []string{"keep"}) {
		t.Errorf("asked %q", keeper.asked)
	}
}

// Who dismisses the question has changed nothing, and is not asked a second time to take back what was not done.
func TestWithoutRootDismissed(t *testing.T) {
	w := newWorld()
	before := w.String()
	_, keeper, h := w.ann()
	keeper.refused = errDismissed
	if _, err := create(t.Context(), h, simple(t)); !errors.Is(err, ErrNotPermitted) || len(flatten(err)) != 1 {
		t.Error(err)
	}
	if !slices.Equal(keeper.asked, []string{"keep"}) {
		t.Errorf("create: asked %q", keeper.asked)
	}
	same(t, "the host after create", w.String(), before)

	keeper.refused, keeper.asked = nil, nil
	if _, err := create(t.Context(), h, simple(t)); err != nil {
		t.Fatal(err)
	}
	made := w.String()
	keeper.refused, keeper.asked = errDismissed, nil
	change := RouteChange{Op: RouteAdd, Routes: []Route{route(t, "10.40.0.0/16 nexthop via 172.16.0.2 nexthop via 172.16.0.2 weight 2"), route(t, "10.50.0.0/16")}}
	if _, err := h.ChangeRoutes(t.Context(), "gre1", change); !errors.Is(err, ErrNotPermitted) {
		t.Error(err)
	}
	if _, err := h.Delete(t.Context(), "gre1"); !errors.Is(err, ErrNotPermitted) {
		t.Error(err)
	}
	if !slices.Equal(keeper.asked, []string{"keep", "forget"}) {
		t.Errorf("asked %q", keeper.asked)
	}
	same(t, "the host after all", w.String(), made)
}

// What was kept for a tunnel that does not come to be is removed by the hook when the profile goes; only where there is no hook, or it
// does not do it, somebody is asked once more. If that is in vain, the error says what to do.
func TestWithoutRootUndo(t *testing.T) {
	for _, test := range []struct {
		name    string
		hook    error // why it is missing
		after   int   // how many times somebody has looked when the hook has done it; 0 for never
		dismiss bool
		asked   []string
		hint    string
	}{
		{"the hook is quick", nil, 5, false, []string{"keep"}, ""},
		{"the hook does nothing", nil, 0, false, []string{"keep", "forget"}, ""},
		{"there is no hook", errBroken, 0, false, []string{"keep", "forget"}, ""},
		{"there is no hook, and it is dismissed", errBroken, 0, true, []string{"keep", "forget"}, "sudo nmgre list"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				before := w.String()
				w.hook = test.hook
				p, keeper, h := w.ann()
				root := keeper.LocalKeeper
				looked, saved := 0, false
				p.fault = func(_ int, method string) fault {
					switch {
					case method == "Save":
						saved = true
						if test.dismiss {
							keeper.refused = errDismissed
						}
						return fault{err: errBroken}
					case method == "UUIDs" && saved:
						if looked++; looked == test.after {
							_, _ = root.Converge(t.Context())
						}
					}
					return fault{}
				}
				_, err := create(t.Context(), h, simple(t))
				if !errors.Is(err, errBroken) || errors.Is(err, ErrNotPermitted) != test.dismiss {
					t.Error(err)
				}
				if !slices.Equal(keeper.asked, test.asked) {
					t.Errorf("asked %q, want %q", keeper.asked, test.asked)
				}
				if hints := strings.Join(Hints(err), " "); !strings.Contains(hints, test.hint) {
					t.Errorf("hints %q", hints)
				}
				w.hook = nil
				if test.dismiss {
					w.noRoot = false
					if _, err := w.start().host().List(t.Context()); err != nil { // as the hint says
						t.Error(err)
					}
				}
				same(t, "the host", w.String(), before)
			})
		})
	}
}

// Only what may have been left behind is taken back.
func TestKeepSaysWhatIsLeft(t *testing.T) {
	for _, test := range []struct {
		method string
		left   bool
	}{{"Lock", false}, {"Write", false}, {"SetRules", false}, {"SyncRoutes", false}} {
		w, k := vetted(t)
		before := w.String()
		p := w.start()
		calls := 0
		p.fault = func(_ int, method string) fault {
			if method != test.method {
				return fault{}
			}
			calls++
			return fault{err: map[bool]error{true: errBroken}[calls == 1]}
		}
		_, err := p.keeper().Keep(t.Context(), k, nil)
		if !errors.Is(err, errBroken) || errors.Is(err, ErrLeftBehind) != test.left {
			t.Errorf("%s: %v", test.method, err)
		}
		same(t, test.method+": the host", w.String(), before)
	}
	w, k := vetted(t)
	p := w.start()
	p.fault = func(_ int, method string) fault {
		return fault{err: map[bool]error{true: errBroken}[method == "SyncRoutes"]}
	}
	if _, err := p.keeper().Keep(t.Context(), k, nil); !errors.Is(err, ErrLeftBehind) {
		t.Errorf("a kernel that refuses everything: %v", err)
	}
}

// The line to type is what was typed, for a shell that takes every word as it is.
func TestSudoLine(t *testing.T) {
	got := SudoLine([]string{"./my nmgre", "create", "--route", "10.0.0.0/8 nexthop dev gre1", "--name", "it's", "a\x1bb", ""})
	if want := `sudo './my nmgre' create --route '10.0.0.0/8 nexthop dev gre1' --name 'it'\''s' 'a\x1bb' ''`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
