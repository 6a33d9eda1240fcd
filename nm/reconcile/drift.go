package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/policy"
	"nmgre/nm/verify/differ"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Drift is one difference of the kernel, or of firewalld, from a tunnel that is up, and whose
// profile and root's part are as wanted: somebody has changed them behind NetworkManager's back.
type Drift struct {
	Field string // of the document, such as "routes"
	What  string // in words, such as "it lacks the route 10.10.2.0/24"
	by    mend
}

// mend is the way to mend a difference.
type mend int

const (
	byKeeper  mend = iota // root sets what it keeps again
	byReapply             // NetworkManager applies the profile again, while the tunnel is up
	byLink                // a new link: the tunnel goes down and up
)

// drift returns what differs of each tunnel, in their order. All are compared with one look at each
// part of the kernel. A tunnel that is not up has no drift.
func drift(ctx context.Context, sys nm.System, links []kernel.Link, tunnels []Have) ([][]Drift, error) {
	found := make([][]Drift, len(tunnels))
	var kept []keep.Kept
	var running []keep.Running
	var inProfiles []routes.Route
	for i, h := range tunnels {
		if h.Profile.State != nm.StateActive {
			continue
		}
		found[i] = append(linkDrift(h, links), zoneDrift(ctx, sys.Zones, h.Profile)...)
		inProfiles = append(inProfiles, h.Profile.Tunnel.Routes...)
		if !h.Kept.Empty() {
			kept, running = append(kept, h.Kept), append(running, h.Profile.Running())
		}
	}
	roots, err := lackingOf(ctx, sys, links, keep.WantOf(links, kept, running))
	if err != nil {
		return nil, err
	}
	profiles, err := newProfileView(ctx, sys.Kernel, tunnels, inProfiles)
	if err != nil {
		return nil, err
	}
	for i, h := range tunnels {
		if h.Profile.State == nm.StateActive {
			found[i] = slices.Concat(found[i], profiles.drift(h.Profile, links), keptDrift(roots[h.Profile.UUID]))
		}
	}
	return found, nil
}

// profileView is the part of the kernel that NetworkManager has set for the profiles.
type profileView struct {
	held  map[string][]kernel.HeldRoute // by device
	rules map[rule.Rule]bool
}

func newProfileView(ctx context.Context, k kernel.Kernel, tunnels []Have, inProfiles []routes.Route) (v profileView, err error) {
	if len(inProfiles) > 0 {
		if v.held, err = k.RoutesByDevice(ctx, kernel.OneOf(inProfiles)); err != nil {
			return v, err
		}
	}
	if slices.ContainsFunc(tunnels, func(h Have) bool { return len(h.Profile.Tunnel.Rules) > 0 }) {
		held, err := k.Rules(ctx)
		v.rules = kernel.RulesOf(held)
		return v, err
	}
	return v, nil
}

// drift returns what the kernel lacks of a profile. Of a tunnel in a VRF its routes are in the
// VRF's table.
func (v profileView) drift(p nm.Profile, links []kernel.Link) (list []Drift) {
	held := kernel.HeldSlots(v.held[p.Device])
	for _, r := range policy.InVRF(slices.Clone(p.Tunnel.Routes), kernel.VRF(links, kernel.Named(links, p.Device))) {
		if r.Type.HasDevice() && !held[r.Slot()] {
			list = append(list, lacks("routes", "the route "+r.String(), byReapply))
		}
	}
	for _, r := range p.Tunnel.Rules {
		if !v.rules[r] {
			list = append(list, lacks("rules", "the rule "+r.String(), byReapply))
		}
	}
	return list
}

func lacks(field, what string, by mend) Drift {
	return Drift{Field: field, What: "it lacks " + what, by: by}
}

// keptDrift returns what the kernel lacks of root's part.
func keptDrift(l lacking) (list []Drift) {
	for _, r := range l.routes {
		list = append(list, lacks("routes", "the route "+r.String(), byKeeper))
	}
	for _, r := range l.policy {
		list = append(list, lacks("rules", "the rule "+r.String(), byKeeper))
	}
	for _, r := range l.rules {
		field := "snat"
		if r.ClampMSS {
			field = "clamp-mss"
		}
		list = append(list, lacks(field, "the nftables rule to "+r.Summary(), byKeeper))
	}
	for _, dev := range l.forward {
		list = append(list, Drift{Field: "forward", What: "packets that come in by " + fault.Printable(dev) + " are not forwarded", by: byKeeper})
	}
	return list
}

// linkDrift returns each attribute in which the link of a tunnel that is up differs from its
// profile and from the options that root keeps. A link that is not there is left to NetworkManager,
// which takes the tunnel down.
func linkDrift(have Have, links []kernel.Link) (list []Drift) {
	t := have.Whole()
	link := kernel.Named(links, t.Name)
	if link == nil || link.GRE == nil {
		return nil
	}
	if !link.Up {
		return []Drift{{What: "its link is down", by: byLink}}
	}
	parent := ""
	if i := slices.IndexFunc(links, func(l kernel.Link) bool { return link.GRE.Parent != 0 && l.Index == link.GRE.Parent }); i >= 0 {
		parent = links[i].Name
	}
	for _, text := range differ.Link(t, *link, parent) {
		attribute, _, _ := strings.Cut(text, ":")
		by := byLink
		if attribute == "mtu" {
			by = byReapply
		}
		list = append(list, Drift{Field: attributeFields[attribute], What: text, by: by})
	}
	for _, a := range t.Addresses {
		if !slices.Contains(link.Addresses, a) {
			list = append(list, lacks("addresses", "the address "+a.String(), byReapply))
		}
	}
	for _, name := range have.Kept.MissingOptions(link).Names() {
		list = append(list, lacks("", name, byKeeper))
	}
	return list
}

// attributeFields are the fields of a document, by the attributes of [differ.Link].
var attributeFields = map[string]string{
	"mode": "mode", "local": "local", "remote": "peer", "parent": "parent", "input key": "key", "output key": "key", "ttl": "ttl", "tos": "tos", "path MTU discovery": "no-pmtud",
	"mtu": "mtu", "encapsulation limit": "encap-limit", "flow label": "flow-label", "flags": "flags", "checksums": "checksum", "sequence numbers": "sequence",
}

// isDown says whether a step's tunnel is there and down, though the document wants it up: it has
// autoconnect. A tunnel that a person has taken down, and one whose link somebody has deleted, look
// the same.
func (s *Step) isDown() bool {
	p := s.Have.Profile
	return (s.Action == Change || s.Action == None) && p.UUID != "" && p.State == nm.StateInactive && s.Want.Autoconnect
}

// mendPlan returns the plan that mends the drift of a tunnel: its settings stay.
func mendPlan(h Have, found []Drift) plan.EditPlan {
	by := slices.MaxFunc(found, func(a, b Drift) int { return int(a.by) - int(b.by) }).by
	texts := make([]string, len(found))
	for i, d := range found {
		texts[i] = d.What
	}
	return plan.Mend(h.Profile, h.Kept, texts, by == byLink, by == byReapply)
}

// onlyRoots returns those differences that root alone can mend.
func onlyRoots(found []Drift) (list []Drift) {
	for _, d := range found {
		if d.by == byKeeper {
			list = append(list, d)
		}
	}
	return list
}

// Waits for the end of a mending.
const (
	mendTimeout = 5 * time.Second
	mendPoll    = 50 * time.Millisecond
)

// Mended waits until the tunnel p, which is up, has no drift any more: NetworkManager may set
// addresses and routes after it has said that it is done. It fails with what still differs then.
// Root's part does not count for a caller without root.
func Mended(ctx context.Context, sys nm.System, p nm.Profile, kept keep.Kept) error {
	if !sys.Kernel.CanChange() {
		kept = keep.Kept{}
	}
	waiting, cancel := context.WithTimeout(ctx, mendTimeout)
	defer cancel()
	for {
		links, err := sys.Kernel.Links(ctx)
		if err != nil {
			return err
		}
		found, err := drift(ctx, sys, links, []Have{{Profile: p, Kept: kept}})
		if err != nil || len(found[0]) == 0 {
			return err
		}
		if waiting.Err() != nil {
			return errors.Join(ctx.Err(), &fault.Error{What: "could not mend it: " + Words(found[0]), Hint: "see what is wrong: nmgre verify " + fault.Operand(p.Tunnel.Name)})
		}
		fault.Pause(waiting, mendPoll)
	}
}

// maxWords bounds how many differences are told one by one.
const maxWords = 8

// Words joins the differences to a sentence.
func Words(found []Drift) string {
	var texts []string
	for _, d := range found[:min(len(found), maxWords)] {
		texts = append(texts, d.What)
	}
	if more := len(found) - maxWords; more > 0 {
		texts = append(texts, "and more")
	}
	return strings.Join(texts, "; ")
}
