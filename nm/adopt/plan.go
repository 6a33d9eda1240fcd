package adopt

import (
	"context"
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Options are the user's choices.
type Options struct {
	Profile string // the profile's name; empty for the interface's
}

// Adoption is the plan of a new profile for a tunnel that was made by hand.
type Adoption struct {
	plan.Plan
	Parts []Part // of the tunnel, each with its fate
}

// whyRoot says why adopt needs root.
const whyRoot = "adopt needs root, whatever polkit lets you do with profiles: only root can give the link, its addresses and its rules back if something fails; --dry-run needs no root"

// Plan decides how the tunnel on the link named dev becomes a profile. It changes nothing. profiles
// lists all profiles. Errors are [fault.ErrInvalid], which names the part that nmgre cannot hold,
// [fault.ErrNotFound] for a link that is not there, and those of [plan.Create].
func Plan(ctx context.Context, sys nm.System, profiles plan.Profiles, dev string, opts Options) (Adoption, error) {
	all, err := profiles(ctx)
	if err != nil {
		return Adoption{}, err
	}
	if sys.Hands == nil {
		return Adoption{}, &fault.Error{Kind: fault.ErrUnsupported, What: "nobody can read what was made by hand"}
	}
	b, err := sys.Hands.Read(ctx, dev)
	if err != nil {
		return Adoption{}, err
	}
	if err := isTunnel(b); err != nil {
		return Adoption{}, err
	}
	if err := taken(all, dev, opts.Profile); err != nil {
		return Adoption{}, err
	}
	f, err := Read(b)
	if err != nil {
		return Adoption{Parts: f.Parts}, err
	}
	if err := f.zone(ctx, sys.Zones); err != nil {
		return Adoption{}, err
	}
	if f.Tunnel.Profile = opts.Profile; opts.Profile == dev {
		f.Tunnel.Profile = ""
	}
	if err := f.Tunnel.Validate(); err != nil {
		return Adoption{Parts: f.Parts}, err
	}
	view := sys
	view.Kernel = without{sys.Kernel, dev, f.taking(b)}
	others := slices.DeleteFunc(slices.Clone(all), func(p nm.Profile) bool { return p.State == nm.StateExternal && p.Tunnel.Name == dev })
	planned, err := plan.Create(ctx, view, func(context.Context) ([]nm.Profile, error) { return others, nil }, f.Tunnel)
	if err != nil {
		return Adoption{Parts: f.Parts}, err
	}
	return adoption(planned, b, f, &takeover{sys: sys, b: b, f: f, device: wayOut(ctx, sys, f.Tunnel)}), nil
}

// adoption changes the plan of a new tunnel to that of one that is there.
func adoption(p plan.Plan, b kernel.ByHand, f Found, over keep.Takeover) Adoption {
	p.Over = over
	for i := range p.Steps {
		if p.Steps[i].ID == plan.StepActivate {
			p.Steps[i].What = "activate it on the link that is there, and wait until its addresses are set"
			p.Steps[i].Why = "NetworkManager takes over the link as it is, and sets its addresses and routes anew; a second link stands in for it meanwhile"
		}
	}
	if n := len(f.Rules) + len(f.NAT); n > 0 {
		step := plan.Step{ID: StepByHand, What: "remove the rules that were made by hand", Why: "the tunnel has them itself now: they come and go with it"}
		for _, i := range f.Rules {
			step.Commands = append(step.Commands, b.Rules[i].IPRule("del"))
		}
		for _, i := range f.NAT {
			step.Commands = append(step.Commands, removal(b.NAT[i]))
		}
		at := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.ID == plan.StepSave })
		p.Steps = slices.Insert(p.Steps, max(at, 0), step)
	}
	p.Notes = append(p.Notes, "take the commands that make "+fault.Printable(p.Tunnel.Name)+" out of the files that run at boot: the profile makes it from now on")
	return Adoption{Plan: p, Parts: f.Parts}
}

// wayOut returns the index of the device by which packets leave for the far end, or 0.
func wayOut(ctx context.Context, sys nm.System, t nm.Tunnel) int {
	q := kernel.Query{To: t.Remote}
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		q.From = t.Local
	}
	hop, err := sys.Kernel.Lookup(ctx, q)
	if err != nil {
		return 0
	}
	links, err := sys.Kernel.Links(ctx)
	if link := kernel.Named(links, hop.Dev); err == nil && link != nil && link.GRE == nil {
		return link.Index
	}
	return 0
}

// StepByHand is the ID of the step that removes rules made by hand.
const StepByHand = "by-hand"

// removal is the command that removes a NAT rule.
func removal(n kernel.NATRule) string {
	return fault.Shell([]string{"nft", "delete", "rule", n.FamilyWord(), n.Table, n.Chain, "handle", fmt.Sprint(n.Handle)})
}

// taken refuses a link that has a profile, and a name that is taken.
func taken(all []nm.Profile, dev, name string) error {
	for _, p := range all {
		own := p.Tunnel.Name == dev
		switch {
		case p.State == nm.StateExternal || !own && (name == "" || p.ID != name) && p.ID != dev:
		case own && p.Trial:
			return fault.Invalid("", "wait until it has ended, and look: nmgre list", "another nmgre is making %s right now", fault.Printable(dev))
		case own && p.State != nm.StateInactive:
			return fault.Invalid("", "see it with: nmgre show "+fault.Operand(dev), "%s is managed by NetworkManager already, by the profile %s", fault.Printable(dev), p.Called())
		case own:
			return fault.Invalid("", "remove that profile, if it is not needed: nmgre delete "+fault.ShellWord(p.UUID)+"; or remove the link, and bring the profile up: nmgre up "+fault.ShellWord(p.UUID),
				"there are two candidates for %s: the link that was made by hand, and the profile %s", fault.Printable(dev), p.Called())
		case name == "" || p.ID == name:
			return fault.Invalid("name", "give the profile another name with --name", "the profile %s has that name already", p.Called())
		}
	}
	return nil
}

// MayAdopt refuses an adoption for a caller who could not undo it.
func MayAdopt(sys nm.System) error {
	if sys.Kernel.CanChange() {
		return nil
	}
	return &fault.Error{Kind: fault.ErrNotPermitted, What: whyRoot, Hint: fault.HintRoot}
}
