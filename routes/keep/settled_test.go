package keep_test

import (
	"context"
	"fmt"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// notes is a [keep.Settling] that holds the last note it was given.
type notes struct{ told string }

func (n *notes) Begin() { n.told = "" }

func (n *notes) Settle(_ context.Context, devices []string, routes, rules int) {
	n.told = fmt.Sprintf("%v %d %d", devices, routes, rules)
}

func (n *notes) Unsettle() { n.told = "unsettled" }

// Only where routes and rules alone are kept, all of them are set, and NetworkManager has said that
// the tunnels are up, the host is noted as settled.
func TestSettling(t *testing.T) {
	mark := rule.MustParse("from 10.1.0.0/16 table 100 suppress_ifgroup 3 priority 7")
	for what, c := range map[string]struct {
		edit func(tunnel *nm.Tunnel)
		then func(w *fake.World, p *fake.Process)
		want string
	}{
		"a rule alone":       {want: "[gre1] 0 1"},
		"a route of root's":  {edit: func(u *nm.Tunnel) { u.Routes = []routes.Route{routes.MustParse("10.7.0.0/16 table 9 ssthresh 7")} }, want: "[gre1] 1 1"},
		"forwarding":         {edit: func(u *nm.Tunnel) { u.Forward = true }, want: "unsettled"},
		"SNAT":               {edit: func(u *nm.Tunnel) { u.SNAT = []keep.SNAT{{Dst: want.CIDR("10.10.1.0/24")}} }, want: "unsettled"},
		"an option of links": {edit: func(u *nm.Tunnel) { u.Link = gre.LinkOptions{Multicast: true} }, want: "unsettled"},
		"a pin":              {edit: func(u *nm.Tunnel) { u.Routes = []routes.Route{routes.MustParse("100.0.2.0/24")} }, want: "unsettled"},
		"several paths": {edit: func(u *nm.Tunnel) {
			u.Routes = []routes.Route{routes.MustParse("10.7.0.0/16 nexthop via 172.16.0.2 weight 2 nexthop via 100.0.1.1 dev eth0")}
		}, want: "unsettled"},
		"the link is down":             {then: func(w *fake.World, _ *fake.Process) { w.Link("gre1").Up = false }, want: "unsettled"},
		"NetworkManager takes it down": {then: func(w *fake.World, _ *fake.Process) { w.Named("gre1").State = nm.StateInactive }, want: "unsettled"},
		"a file on trial": {then: func(w *fake.World, _ *fake.Process) {
			k := w.Files[w.Named("gre1").UUID].Clone()
			if _, err := (fake.Store{Process: w.Start()}).Try(t.Context(), k, false); err != nil {
				t.Error(err)
			}
		}, want: "unsettled"},
		"a profile on trial": {then: func(w *fake.World, _ *fake.Process) { w.Named("gre1").Trial = true }, want: "unsettled"},
		"no NetworkManager": {then: func(_ *fake.World, p *fake.Process) {
			p.Fault = func(_ int, called string) fake.Fault {
				if called == "Get" || called == "List" {
					return fake.Fault{Err: &fault.Error{Kind: fault.ErrNoNetworkManager, What: "it is not there"}}
				}
				return fake.Fault{}
			}
		}, want: "unsettled"},
		"the profile was led astray": {then: func(w *fake.World, _ *fake.Process) { w.Named("gre1").Tunnel.Remote = want.Addr("100.0.9.9") }, want: "unsettled"},
	} {
		w := fake.NewWorld()
		tunnel := nm.NewTunnel()
		tunnel.Name, tunnel.Remote, tunnel.Addresses = "gre1", want.Addr("100.0.2.100"), want.CIDRs("172.16.0.1/30")
		tunnel.Rules = []rule.Rule{mark}
		if c.edit != nil {
			c.edit(&tunnel)
		}
		fake.MustCreate(t, w, tunnel)
		told := &notes{}
		process := w.Start()
		keeper := process.Keeper()
		keeper.Settling = told
		if c.then != nil {
			c.then(w, process)
		}
		_, _ = keeper.Converge(t.Context(), "") // some of them fail
		if told.told != c.want {
			t.Errorf("%s: %q, want %q", what, told.told, c.want)
		}
	}
}
