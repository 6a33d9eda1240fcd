// Package reconcile compares the tunnels that a document wants with those that a host has, and
// decides which are made, changed and removed. It is pure. Begin at [Decide].
package reconcile

import (
	"cmp"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Wanted is a tunnel of a document. It has a name, and is whole but for the fields that [nm.Tunnel]
// leaves to a plan.
type Wanted struct {
	Tunnel nm.Tunnel
	Absent bool // it must not be there
	Line   int  // of the document; 0 for none
}

// Have is a tunnel of the host.
type Have struct {
	Profile nm.Profile
	Kept    keep.Kept // by root for it; may be empty
}

// Whole returns the tunnel with its kept routes and rules.
func (h Have) Whole() nm.Tunnel { return h.Profile.Tunnel.WithKept(h.Kept) }

// Action is the kind of a step.
type Action string

// The actions, by their names in the output of `nmgre apply --json`.
const (
	Create Action = "create"
	Change Action = "change"
	Delete Action = "delete"
	None   Action = "none"
)

// Step is the change of one tunnel, or none.
type Step struct {
	Action Action
	Name   string // of its interface
	// Want is the tunnel to make, or to change it into; open fields are a plan's to decide. A
	// change whose plan changes nothing is none.
	Want nm.Tunnel
	Have Have // the tunnel that is there, unless it is created
	// Drift has the differences of the kernel that a change mends whose settings stay.
	Drift []Drift
}

// Decide returns a step for each wanted tunnel, in their order, and behind them one for each tunnel
// to prune: those that were made from a document of the name prune and are not wanted any more. An
// empty prune prunes nothing. It fails with [fault.ErrInvalid], joined, for names that are not one
// tunnel of NetworkManager's.
func Decide(wants []Wanted, have []Have, links []kernel.Link, prune string) ([]Step, error) {
	byName := make(map[string][]Have, len(have))
	for _, h := range have {
		name := h.Profile.Tunnel.Name
		byName[name] = append(byName[name], h)
	}
	var steps []Step
	var problems fault.List
	wanted := make(map[string]bool, len(wants))
	for _, w := range wants {
		wanted[w.Tunnel.Name] = true
		step, problem := decide(w, byName[w.Tunnel.Name], links)
		problems.Add(problem)
		steps = append(steps, step)
	}
	for _, h := range have {
		p := h.Profile
		if prune != "" && p.Tunnel.Document == prune && !wanted[p.Tunnel.Name] && p.State != nm.StateExternal {
			steps = append(steps, Step{Action: Delete, Name: p.Tunnel.Name, Have: h})
		}
	}
	return steps, problems.Err()
}

// decide decides about one wanted tunnel.
func decide(w Wanted, there []Have, links []kernel.Link) (Step, *fault.Error) {
	step := Step{Name: w.Tunnel.Name, Want: w.Tunnel}
	if len(there) > 1 {
		e := fault.Invalid("name", "delete all but one, by their UUIDs: nmgre delete "+there[0].Profile.UUID, "there are %d profiles for the interface %s", len(there), fault.Printable(w.Tunnel.Name))
		e.Line = w.Line
		return step, e
	}
	if len(there) == 0 {
		if step.Action = Create; w.Absent {
			step.Action = None
		}
		return step, nil
	}
	step.Have = there[0]
	if p := step.Have.Profile; p.State == nm.StateExternal {
		e := fault.Invalid("name", "remove it first: ip link delete dev "+fault.ShellWord(p.Tunnel.Name), "%s was made by hand, and NetworkManager only mirrors it", fault.Printable(p.Tunnel.Name))
		e.Line = w.Line
		return step, e
	}
	if w.Absent {
		step.Action = Delete
		return step, nil
	}
	before := step.Have.Whole()
	step.Want, step.Action = Merged(w.Tunnel, before, links), Change
	if same(step.Want, before) {
		step.Want, step.Action = before, None
	}
	return step, nil
}

// same says whether two whole tunnels are the same.
func same(want, before nm.Tunnel) bool {
	if !want.PeerAddress.IsValid() {
		want.PeerAddress = want.ChoosePeer()
	}
	return want.Local.IsValid() && (want.MTU != 0 || before.MTU == 0) && len(nm.Diff(before, want)) == 0
}

// Merged returns the tunnel that before is to become, where a document wants it so: fields that the
// document leaves open stay as a plan has decided them.
func Merged(want, before nm.Tunnel, links []kernel.Link) nm.Tunnel {
	want = want.Sharing()
	want.Document = before.Document
	if !want.Remote.IsValid() && want.PeerName == before.PeerName {
		want.Remote = before.Remote
	}
	if !want.Local.IsValid() && kernel.Holding(links, before.Local) != nil && before.Local.Is6() == want.Mode.IPv6Outer() {
		want.Local = before.Local
	}
	mergeLimit(&want, before)
	mergeRoutes(&want, before)
	mergeRules(&want, before)
	if want.MTU == 0 && fits(want, before, links) {
		want.MTU = before.MTU
	}
	return want
}

// fits says whether the MTU of before is the one that a plan would compute for want, by the device
// that the tunnel's packets leave by. A plan asks the kernel for the way, too.
func fits(want, before nm.Tunnel, links []kernel.Link) bool {
	if before.MTU == 0 || want.Encapsulation() != before.Encapsulation() {
		return false
	}
	out := kernel.Named(links, want.Parent)
	if out == nil {
		out = kernel.Holding(links, want.Local)
	}
	return out != nil && want.Encapsulation().MTU(out.MTU) == int(before.MTU)
}

// mergeLimit leaves the tunnel the default encapsulation limit, which a profile has or leaves out.
func mergeLimit(want *nm.Tunnel, before nm.Tunnel) {
	if !want.Mode.IPv6Outer() || want.EncapLimit != 0 || want.HasNoEncapLimit() {
		return
	}
	if want.EncapLimit = gre.DefaultEncapLimit; before.Mode.IPv6Outer() && before.EncapLimit == 0 && !before.HasNoEncapLimit() {
		want.EncapLimit = 0
	}
}

// mergeRoutes leaves the tunnel the routes to its peers, which a plan has added, and the metrics of
// default routes, which a plan has chosen.
func mergeRoutes(want *nm.Tunnel, before nm.Tunnel) {
	var list []routes.Route
	for _, r := range want.Routes {
		if r.Metric == nil && r.Dst.IsValid() && r.Dst.Bits() == 0 {
			r = withMetricOf(r, before.Routes)
		}
		list = append(list, r)
	}
	peers := *want
	if !peers.PeerAddress.IsValid() {
		peers.PeerAddress = peers.ChoosePeer()
	}
	for _, r := range before.Routes {
		text := r.String()
		if before.IsRouteToPeer(r) && peers.IsRouteToPeer(r) && !slices.ContainsFunc(list, func(o routes.Route) bool { return o.String() == text }) {
			list = append(list, r)
		}
	}
	want.Routes = list
	if sameRoutes(list, before.Routes) {
		want.Routes = before.Routes // their order tells who holds them
	}
}

// withMetricOf returns a default route with the metric that it has in a list.
func withMetricOf(r routes.Route, list []routes.Route) routes.Route {
	for _, o := range list {
		if o.Metric == nil || o.Dst != r.Dst {
			continue
		}
		without := o
		if without.Metric = nil; without.String() == r.String() {
			return o
		}
	}
	return r
}

// sameRoutes says whether two lists have the same routes, in whichever order.
func sameRoutes(a, b []routes.Route) bool {
	if len(a) != len(b) {
		return false
	}
	return slices.Equal(sorted(a), sorted(b))
}

func sorted(list []routes.Route) []string {
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = list[i].String()
	}
	slices.Sort(texts)
	return texts
}

// mergeRules gives the rules without a priority the one that a plan has chosen.
func mergeRules(want *nm.Tunnel, before nm.Tunnel) {
	left := slices.Clone(before.Rules)
	take := func(fits func(rule.Rule) bool) (rule.Rule, bool) {
		i := slices.IndexFunc(left, fits)
		if i < 0 {
			return rule.Rule{}, false
		}
		r := left[i]
		left = slices.Delete(left, i, i+1)
		return r, true
	}
	list := slices.Clone(want.Rules)
	for _, r := range list {
		if r.HasPriority {
			take(func(o rule.Rule) bool { return o == r })
		}
	}
	for i, r := range list {
		if r.HasPriority {
			continue
		}
		if known, ok := take(func(o rule.Rule) bool {
			o.Priority, o.HasPriority = r.Priority, false
			return o == r
		}); ok {
			list[i] = known
		}
	}
	want.Rules = list
	if slices.Equal(sortedRules(list), sortedRules(before.Rules)) {
		want.Rules = before.Rules
	}
}

func sortedRules(list []rule.Rule) []string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.String()
	}
	slices.Sort(texts)
	return texts
}

// Twins returns the problem of two tunnels that the kernel cannot have together, since packets of
// one are packets of the other, or nil. The tunnels are as plans have decided them.
func Twins(tunnels []nm.Tunnel) error {
	type ends struct {
		ethernet      bool
		local, remote netip.Addr
		key           int64
	}
	of := make(map[ends]string, len(tunnels))
	var problems fault.List
	for _, t := range tunnels {
		e := ends{t.Mode.Ethernet(), t.Local, t.Remote, -1}
		if t.InputKey != nil {
			e.key = int64(*t.InputKey)
		}
		if other, twice := of[e]; twice {
			problems.Add(fault.Invalid("key", "give each of them a key of its own", "%s and %s have the same far end %s and the same key: the kernel cannot tell their packets apart",
				fault.Printable(other), fault.Printable(t.Name), t.Remote))
		}
		of[e] = cmp.Or(of[e], t.Name)
	}
	return problems.Err()
}
