package far

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// pairAgain makes the near end from the far one.
func (n *wired) pairAgain(t *testing.T, wish pair.Wish, name string) (Result, *Both, error) {
	t.Helper()
	var told []string
	near := n.nearOf(t, n.start(n.near).Host(), n.dial(t, cut{at: -1}, nil, nil), &told)
	both, err := near.Plan(t.Context(), wish, name)
	if err != nil {
		n.serving.Wait()
		return Result{}, nil, err
	}
	done, err := near.Make(t.Context(), both)
	n.serving.Wait()
	return done, both, err
}

func editOn(ctx context.Context, h *nmgre.Host, change func(*nm.Tunnel)) error {
	planned, err := h.PlanEdit(ctx, "gre1", func(t *nm.Tunnel) error { change(t); return nil })
	if err == nil {
		_, err = h.Edit(ctx, planned, nmgre.EditOptions{NoProbe: true})
	}
	return err
}

// Where only the far end has the tunnel, this end is made from it: with its keys, addresses, mode
// and MTU, whatever this end would have chosen itself. The far end stays as it is.
func TestPairFromTheFarEnd(t *testing.T) {
	key := gre.Key(7)
	for name, c := range map[string]struct {
		far  func(ctx context.Context, h *nmgre.Host) error
		wish func(*pair.Wish)
		name string
		near string // flags that this end has then, besides those that it had
	}{
		"as it was":   {nil, nil, "", "--address 172.16.0.1/30 --mtu 1476 --route 10.10.2.0/24"},
		"by its name": {nil, nil, "gre1", "--address 172.16.0.1/30"},
		"with a key": {func(ctx context.Context, h *nmgre.Host) error {
			return editOn(ctx, h, func(t *nm.Tunnel) { t.InputKey, t.OutputKey, t.MTU = nil, &key, 1400 })
		}, nil, "", "--input-key 7"},
		"with a smaller MTU": {func(ctx context.Context, h *nmgre.Host) error {
			return editOn(ctx, h, func(t *nm.Tunnel) { t.MTU = 1300 })
		}, nil, "", "--mtu 1300"},
		"down":              {func(ctx context.Context, h *nmgre.Host) error { return second(h.Down(ctx, "gre1")) }, nil, "", "--address 172.16.0.1/30"},
		"another name here": {nil, func(w *pair.Wish) { w.Near.Name = "gre5" }, "", "--name gre5"},
		"its own routes":    {nil, func(w *pair.Wish) { w.Routed = true }, "", "--address 172.16.0.1/30"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newWired()
				n.pairUp(t)
				n.serving.Wait()
				if _, err := n.start(n.near).Host().Delete(t.Context(), "gre1"); err != nil {
					t.Fatal(err)
				}
				n.near.Settle()
				whole := n.far.String()
				if c.far != nil {
					if err := c.far(t.Context(), n.start(n.far).Host()); err != nil {
						t.Fatal(err)
					}
					n.far.Settle()
				}
				if name != "down" {
					whole = n.far.String()
				}
				n.show(n.near)
				n.show(n.far)
				wish := pair.Wish{Near: nm.NewTunnel()}
				if c.wish != nil {
					c.wish(&wish)
				}
				done, both, err := n.pairAgain(t, wish, c.name)
				if err != nil {
					t.Fatal(err)
				}
				if command := both.Near.Tunnel.CreateCommand(); !strings.Contains(command, c.near) || name == "its own routes" && strings.Contains(command, "--route") {
					t.Errorf("this end is %s", command)
				}
				if done.Near.Report.Verdict != verify.Pass || !done.Far.Answered || done.FarName != "gre1" {
					t.Errorf("%+v", done)
				}
				want.Same(t, "the far end", n.far.String(), whole)
			})
		})
	}
}

// A wish for both ends must agree with the far end's tunnel; where several fit, one is to be named;
// and a failure leaves the far end as it was.
func TestPairFromTheFarEndRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newWired()
		n.pairUp(t)
		n.serving.Wait()
		if _, err := n.start(n.near).Host().Delete(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
		n.near.Settle()
		before1, before2 := n.near.String(), n.far.String()
		wish := func(change func(*nm.Tunnel)) pair.Wish {
			w := pair.Wish{Near: nm.NewTunnel()}
			change(&w.Near)
			return w
		}
		for flag, w := range map[string]pair.Wish{
			"address":      wish(func(t *nm.Tunnel) { t.Addresses = want.CIDRs("172.16.9.1/30") }),
			"peer-address": wish(func(t *nm.Tunnel) { t.SetPeers([]netip.Addr{want.Addr("172.16.0.9")}) }),
			"mode":         wish(func(t *nm.Tunnel) { t.Mode = gre.ModeGRETAP }),
		} {
			if _, _, err := n.pairAgain(t, w, ""); !errors.Is(err, fault.ErrInvalid) || !slices.Contains(want.Fields(err), flag) {
				t.Errorf("%s: %v", flag, err)
			}
		}
		if _, _, err := n.pairAgain(t, pair.Wish{Near: nm.NewTunnel()}, "gre9"); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("a name that neither end has: %v", err)
		}
		n.near.Answer = answersOf(n.near, &n.links[0]) // nobody answers
		if _, _, err := n.pairAgain(t, pair.Wish{Near: nm.NewTunnel()}, ""); err == nil {
			t.Error("it is made without an answer")
		}
		n.near.Settle()
		want.Same(t, "this end", n.near.String(), before1)
		want.Same(t, "the far end", n.far.String(), before2)

		far := n.start(n.far).Host()
		key := gre.Key(7)
		second := nm.NewTunnel()
		second.Name, second.Local, second.Remote, second.InputKey, second.OutputKey = "gre2", want.Addr("100.0.2.100"), want.Addr("100.0.1.100"), &key, &key
		second.Addresses = want.CIDRs("172.16.0.6/30")
		planned, err := far.Plan(t.Context(), second)
		if err == nil {
			_, err = far.Create(t.Context(), planned, nmgre.CreateOptions{NoProbe: true})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := n.pairAgain(t, pair.Wish{Near: nm.NewTunnel()}, ""); err == nil || !strings.HasSuffix(err.Error(), "2 tunnels of linux2 lead here, and have no other end: gre1, gre2") || !strings.Contains(fault.Hints(err)[0], "nmgre pair linux2 gre1") {
			t.Errorf("two of them: %v", err)
		}
	})
}

// A tunnel of the far end that was made by hand is no profile that pair could match.
func TestPairFromAHandMadeLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newWired()
		p := nm.Profile{UUID: "00000000-0000-4000-8000-000000000009", ID: "gre1", State: nm.StateExternal, Device: "gre1", Tunnel: nm.NewTunnel()}
		p.Tunnel.Name, p.Tunnel.Local, p.Tunnel.Remote = "gre1", want.Addr("100.0.2.100"), want.Addr("100.0.1.100")
		n.far.AddProfile(p)
		_, _, err := n.pairAgain(t, pair.Wish{Near: nm.NewTunnel()}, "")
		if err == nil || !strings.Contains(strings.Join(fault.Hints(err), " "), "nmgre adopt gre1") {
			t.Errorf("%v", err)
		}
	})
}

// A tunnel of the far end with the same inner addresses, and other outer ones, may be somebody
// else's: it stays, and the person is told how to change it.
func TestMendLeavesOtherOuterAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newWired()
		n.pairUp(t)
		if err := editOn(t.Context(), n.start(n.far).Host(), func(tunnel *nm.Tunnel) { tunnel.Remote = want.Addr("100.0.1.77") }); err != nil {
			t.Fatal(err)
		}
		before := n.far.String()
		_, _, err := n.pairAgain(t, pair.Wish{Near: nm.NewTunnel()}, "gre1")
		if err == nil || !strings.Contains(err.Error(), "gre1 has these inner addresses, and is gre from 100.0.2.100 to 100.0.1.77") ||
			!strings.Contains(strings.Join(fault.Hints(err), "\n"), "nmgre edit gre1 --peer 100.0.1.100 --local 100.0.2.100") {
			t.Errorf("%v, %q", err, fault.Hints(err))
		}
		want.Same(t, "linux2", n.far.String(), before)
	})
}
