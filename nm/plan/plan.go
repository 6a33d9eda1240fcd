package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Plan is everything that [Host.Create] will do, decided before anything is done.
type Plan struct {
	// with everything decided: name, local address, MTU, the far end's inner address and the route
	// to it
	Tunnel nm.Tunnel
	Routes []nm.Owned // the tunnel's routes, with who holds each, and why
	// what root keeps, but for the UUID; empty if NetworkManager can hold everything
	Kept  keep.Kept
	Steps []Step
	Notes []string // what the person should know before, such as what was chosen and why

	version nm.Version // NetworkManager's
	Newest  uint64     // the highest Serial of the profiles that were looked at
}

// Profile is the tunnel as its profile holds it.
func (p Plan) Profile() nm.Tunnel {
	t := p.Tunnel.Clone()
	t.Routes = nm.OwnedBy(p.Routes, nm.OwnerProfile)
	t.Forward = t.Forward && !p.version.Before(nm.ForwardVersion)
	return t
}

// Step is one thing that is done. The IDs are stable.
type Step struct {
	ID   string
	What string // in a few words, such as "add the profile gre1, in memory"
	Why  string // why it is done, and by whom
	// what a person would type for it, by nmcli and ip; empty if there is no such command
	Commands []string
}

// The steps of making a tunnel, in their order.
const (
	StepProfile  = "profile"
	StepActivate = "activate"
	StepPin      = "pin"
	StepRoute    = "route"
	StepForward  = "forward"
	StepSNAT     = "snat"
	StepClamp    = "clamp-mss"
	StepCheck    = "check"
	StepSave     = "save"
)

// steps lists what making the tunnel takes.
func (p Plan) steps() []Step {
	t := p.Profile()
	steps := []Step{
		{ID: StepProfile, What: "add the profile " + t.Name + ", in memory only",
			Why:      "what is not finished shall not survive: it goes to disk when all the rest is done",
			Commands: []string{t.NmcliAdd()}},
		{ID: StepActivate, What: "bring it up, and wait until its addresses are set",
			Why:      "NetworkManager makes the link, with its addresses and " + routes.CountText(len(t.Routes)),
			Commands: []string{"nmcli connection up " + fault.ShellWord(t.Name)}},
	}
	steps = append(steps, p.keptSteps()...)
	return append(steps,
		Step{ID: StepCheck, What: "read back what the kernel holds, and probe the far end",
			Why: "a GRE link that is up proves nothing", Commands: checkCommands(p.Tunnel)},
		Step{ID: StepSave, What: "write the profile to disk",
			Why: "from here on the tunnel is there, also after a reboot"})
}

// keptSteps are the steps of the kernel half.
func (p Plan) keptSteps() []Step {
	var steps []Step
	k := p.Kept
	if k.Pin {
		steps = append(steps, Step{ID: StepPin, What: fmt.Sprintf("give the far end %s a host route by the present gateway", k.Remote),
			Why: "a route of the tunnel covers it: the tunnel's own packets would go into the tunnel"})
	}
	if len(k.Routes) > keep.MaxRouteSteps {
		steps = append(steps, Step{ID: StepRoute, What: fmt.Sprintf("add %s to the kernel", routes.CountText(len(k.Routes))), Why: p.whyKernel()})
	} else {
		for _, o := range p.Routes {
			if o.Owner == nm.OwnerKernel {
				steps = append(steps, Step{ID: StepRoute, What: "add the route " + o.Route.String() + " to the kernel", Why: o.Why,
					Commands: []string{o.Route.IPRoute("add", k.Name)}})
			}
		}
	}
	return append(steps, keptForwardSteps(k)...)
}

// whyKernel is the reason of the first of the kernel half's routes.
func (p Plan) whyKernel() string {
	for _, o := range p.Routes {
		if o.Owner == nm.OwnerKernel {
			return o.Why
		}
	}
	return ""
}

// keptForwardSteps are the steps that concern forwarded packets.
func keptForwardSteps(k keep.Kept) []Step {
	var steps []Step
	for _, dev := range k.Forward {
		steps = append(steps, Step{ID: StepForward, What: "forward packets that come in by " + dev,
			Why:      "it is switched on for the devices involved only, and switched back when the tunnel goes down",
			Commands: []string{fault.Shell([]string{"sysctl", "-w", "net.ipv4.conf." + strings.ReplaceAll(dev, ".", "/") + ".forwarding=1"})}})
	}
	for _, r := range k.Rules() {
		id, why := StepSNAT, "hosts there need no route back to the tunnel's inner network"
		if r.ClampMSS {
			id, why = StepClamp, "TCP connections whose packets are too big for the tunnel would stall"
		}
		steps = append(steps, Step{ID: id, What: r.Summary(), Why: why, Commands: r.NFT()})
	}
	return steps
}

// maxCheckCommands bounds how many routes are asked for by hand.
const maxCheckCommands = 20

func checkCommands(t nm.Tunnel) []string {
	commands := []string{"ip -d link show dev " + t.Name}
	for i, r := range t.Routes {
		if r.TableOrMain() == routes.MainTable && i < maxCheckCommands {
			commands = append(commands, "ip route get "+routes.SampleAddr(r.Dst, t.Remote).String())
		}
	}
	if t.PeerAddress.IsValid() {
		commands = append(commands, "ping -c 3 -I "+t.Name+" "+t.PeerAddress.String())
	}
	return commands
}

// planCreate decides everything about a new tunnel; profiles lists those that are there.
func Create(ctx context.Context, sys nm.System, profiles func(context.Context) ([]nm.Profile, error), want nm.Tunnel) (Plan, error) {
	version, err := ready(ctx, sys, want)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	p, err := survey(ctx, sys, profiles, want)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	p.version = version
	if err := p.decide(ctx); err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	if err := p.t.Validate(); err != nil { // again: what was decided must fit what was given
		return Plan{}, err
	}
	if err := p.problems(ctx); err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	k, err := p.kept(ctx)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	if err := mayKeep(sys, k); err != nil {
		return Plan{}, err
	}
	p.notes = slices.Concat(p.notes, p.offers(), forwardNotes(ctx, sys, k), HookNote(ctx, sys, k))
	plan := Plan{Tunnel: p.t, Routes: p.owned, Kept: k, Notes: p.notes, version: version, Newest: newest(p.profiles)}
	plan.Steps = plan.steps()
	return plan, nil
}

func newest(profiles []nm.Profile) uint64 {
	var highest uint64
	for _, p := range profiles {
		highest = max(highest, p.Serial)
	}
	return highest
}

// ready checks that NetworkManager, the kernel and the caller's rights suffice.
func ready(ctx context.Context, h nm.System, want nm.Tunnel) (nm.Version, error) {
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return m.Version, err
	}
	if err := h.Kernel.Supports(want.Mode); err != nil {
		return m.Version, err
	}
	if m.Modify == nm.PermissionNo || m.Control == nm.PermissionNo {
		return m.Version, &fault.Error{Kind: fault.ErrNotPermitted, What: "NetworkManager does not let you make connections", Hint: fault.HintRoot}
	}
	return m.Version, nil
}

// mayKeep refuses what only root can do to those who can neither do it nor ask for it.
func mayKeep(h nm.System, k keep.Kept) error {
	if k.Empty() {
		return nil
	}
	err := h.Keeper.MayKeep()
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.ErrNotPermitted, What: "NetworkManager cannot hold " + k.Summary() + ", and the rest needs root", Err: err}
}

// survey reads what is on the host.
func survey(ctx context.Context, h nm.System, list func(context.Context) ([]nm.Profile, error), want nm.Tunnel) (*preflight, error) {
	profiles, err := list(ctx)
	if err != nil {
		return nil, err
	}
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	return &preflight{t: want.Clone(), profiles: profiles, links: links, kernel: h.Kernel}, nil
}
