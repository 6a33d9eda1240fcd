package plan

import (
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/nm/policy"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/list"
)

// Step is one step of a plan.
type Step struct {
	ID   string // stable, one of the constants below; several steps may have the same
	What string // a few words, such as "add the profile gre1, in memory only"
	Why  string // the reason for the step, in a few words
	// Commands are lines of nmcli, ip, nft or sysctl that do the same. Some steps have none.
	Commands []string
}

// The IDs of the steps of a new tunnel, in their order.
const (
	StepProfile  = "profile"
	StepActivate = "activate"
	StepPin      = "pin"
	StepRoute    = "route"
	StepForward  = "forward"
	StepSNAT     = "snat"
	StepClamp    = "clamp-mss"
	StepLink     = "link"
	StepCheck    = "check"
	StepSave     = "save"
)

// steps lists the steps of a new tunnel.
func (p Plan) steps() []Step {
	t := p.Profile()
	steps := []Step{
		{ID: StepProfile, What: "add the profile " + t.Name + ", in memory only", Why: whyInMemory,
			Commands: []string{nmcli.Add(t)}},
		{ID: StepActivate, What: "bring it up, and wait until its addresses are set",
			Why: "NetworkManager makes the link, its addresses and " + routes.CountText(len(t.Routes)) + t.RulesText(), Commands: []string{"nmcli connection up " + fault.ShellWord(t.Name)}},
	}
	steps = slices.Concat(steps, keptSteps(p.Kept, p.Routes), ruleSteps(p.Kept, p.Rules), linkSteps(p.Tunnel, nm.Tunnel{}))
	return append(steps, checkStep(p.Tunnel), Step{ID: StepSave, What: "write the profile to disk", Why: "so that the tunnel survives a reboot"})
}

// whyInMemory is the reason why a profile is not written to disk at once.
const whyInMemory = "a half-finished tunnel must not survive a reboot: the profile goes to disk last"

// checkStep is the step that verifies the tunnel.
func checkStep(t nm.Tunnel) Step {
	s := Step{ID: StepCheck, What: "compare the kernel's state with the plan, and probe the far end", Why: "a GRE link is up even if no packet gets through", Commands: checkCommands(t)}
	if t.NoProbe {
		return Unprobed([]Step{s})[0]
	}
	return s
}

// Unprobed makes the steps those of a command that does not probe the far end.
func Unprobed(steps []Step) []Step {
	for i := range steps {
		if s := &steps[i]; s.ID == StepCheck {
			s.What = "compare the kernel's state with the plan"
			s.Commands = slices.DeleteFunc(s.Commands, func(line string) bool { return strings.HasPrefix(line, "ping ") })
		}
	}
	return steps
}

// keptSteps are the steps for the kept routes and rules. fresh are the new routes of both owners.
func keptSteps(k keep.Kept, fresh []nm.Owned) []Step {
	var steps []Step
	if k.Pin {
		steps = append(steps, Step{ID: StepPin, What: fmt.Sprintf("add a host route to the far end %s by its present gateway", k.Remote), Why: "a route of the tunnel covers the far end: the packets that carry the tunnel would go into it"})
	}
	if len(k.Routes) > keep.MaxRouteSteps {
		steps = append(steps, Step{ID: StepRoute, What: fmt.Sprintf("add %s to the kernel", routes.CountText(len(k.Routes))), Why: firstKernelWhy(fresh)})
	} else {
		for _, o := range fresh {
			if o.Owner == nm.OwnerKernel {
				steps = append(steps, Step{ID: StepRoute, What: "add the route " + o.Route.String() + " to the kernel", Why: o.Why, Commands: []string{o.Route.IPRoute("add", k.Name)}})
			}
		}
	}
	return append(steps, keptForwardSteps(k)...)
}

// firstKernelWhy returns the reason why nmgre holds the first of its routes.
func firstKernelWhy(list []nm.Owned) string {
	for _, o := range list {
		if o.Owner == nm.OwnerKernel {
			return o.Why
		}
	}
	return ""
}

// keptForwardSteps are the steps for forwarded packets.
func keptForwardSteps(k keep.Kept) []Step {
	var steps []Step
	for _, dev := range k.Forward {
		steps = append(steps, Step{ID: StepForward, What: "switch on forwarding of packets that come in by " + dev,
			Why:      "for these devices only, and until the tunnel goes down",
			Commands: []string{fault.Shell([]string{"sysctl", "-w", "net.ipv4.conf." + strings.ReplaceAll(dev, ".", "/") + ".forwarding=1"})}})
	}
	for _, r := range k.Rules() {
		id, why := StepSNAT, "the hosts there then need no route to the tunnel's inner network"
		if r.ClampMSS {
			id, why = StepClamp, "TCP connections with packets that are too big for the tunnel would stall"
		}
		steps = append(steps, Step{ID: id, What: r.Summary(), Why: why, Commands: r.NFT()})
	}
	return steps
}

// linkSteps is the step for the options of the link, if some are switched on or off.
func linkSteps(t, before nm.Tunnel) []Step {
	on, off := t.Link.Without(before.Link), before.Link.Without(t.Link)
	switch {
	case on.Any():
		return []Step{{ID: StepLink, What: "set on the link: " + on.String(), Why: "NetworkManager cannot hold it; root does, each time the tunnel comes up", Commands: t.IPLinkOptions(on, off)}}
	case off.Any():
		return []Step{{ID: StepLink, What: "switch off on the link: " + off.String(), Why: "the tunnel does not want it any more", Commands: t.IPLinkOptions(on, off)}}
	}
	return nil
}

// maxCheckCommands is the highest number of routes with a command that looks them up.
const maxCheckCommands = 20

// checkCommands returns the commands with which a person can check the tunnel.
func checkCommands(t nm.Tunnel) []string {
	commands := []string{"ip -d link show dev " + fault.ShellWord(t.Name)}
	for _, r := range t.Routes[:min(len(t.Routes), maxCheckCommands)] {
		if r.TableOrMain() == routes.MainTable {
			commands = append(commands, "ip route get "+routes.SampleAddr(r.Dst, t.Remote).String())
		}
	}
	for _, peer := range t.Peers() {
		commands = append(commands, fault.Shell([]string{"ping", "-c", "3", "-I", t.Name, peer.String()}))
	}
	return commands
}

// The IDs of the steps that only an edit has.
const (
	StepDown  = "down"
	StepApply = "apply"
)

// steps lists the steps of the edit.
func (p EditPlan) steps() []Step {
	if len(p.Changes) == 0 {
		return nil
	}
	var steps []Step
	up := p.Up() || p.Raises
	if p.ProfileDiffers() {
		steps = append(steps, Step{ID: StepProfile, What: "change the profile " + fault.Printable(p.Profile.ID) + ", in memory only", Why: whyInMemory, Commands: p.nmcliModify(true)})
	}
	if p.ProfileDiffers() || p.Raises {
		steps = append(steps, p.applySteps()...)
	}
	if p.KeptDiffers() {
		if p.Kept.Empty() {
			steps = append(steps, Step{ID: StepRoute, What: "remove from nmgre's files: " + p.KeptBefore.Summary(), Why: "the tunnel does not need them any more"})
		}
		steps = slices.Concat(steps, keptSteps(p.Kept, p.freshKernelRoutes()), ruleSteps(p.Kept, policy.Fresh(p.Rules, p.KeptBefore.Policy)), linkSteps(p.After, p.Before))
	}
	if up {
		steps = append(steps, checkStep(p.After))
	}
	if p.ProfileDiffers() && !p.Profile.Unsaved {
		steps = append(steps, Step{ID: StepSave, What: "write the profile to disk", Why: "so that the change survives a reboot", Commands: p.nmcliModify(false)})
	}
	return steps
}

// applySteps are the steps that apply the changed profile to the device.
func (p EditPlan) applySteps() []Step {
	activate := Step{ID: StepActivate, What: "bring it up, and wait until its addresses are set", Why: "NetworkManager makes a new link", Commands: nmcli.Connection("up", p.nmcli())}
	switch {
	case p.Raises:
		return []Step{activate}
	case !p.Up():
		return nil
	case !p.Flaps:
		return []Step{{ID: StepApply, What: "apply the profile while the tunnel is up", Why: p.Why, Commands: []string{"nmcli device reapply " + fault.ShellWord(p.Profile.Device)}}}
	}
	return []Step{{ID: StepDown, What: "take the tunnel down", Why: p.Why, Commands: nmcli.Connection("down", p.nmcli())}, activate}
}

// freshKernelRoutes returns the routes that nmgre holds after the edit, and did not hold before.
func (p EditPlan) freshKernelRoutes() []nm.Owned {
	old := list.NewSet(p.KeptBefore.Routes)
	return slices.DeleteFunc(slices.Clone(p.owned), func(o nm.Owned) bool { return o.Owner != nm.OwnerKernel || old.Has(o.Route) })
}

// nmcliModify returns the nmcli command that makes the same change of the profile. There is none if
// nmcli cannot make it.
func (p EditPlan) nmcliModify(inMemory bool) []string {
	var more []string
	if p.renames() {
		more = []string{"connection.id", p.After.Name}
	}
	return nmcli.Modify(p.nmcli(), p.Profile.Tunnel, p.ProfileAfter(), inMemory, more...)
}

// renames says that the profile is renamed with its interface.
func (p EditPlan) renames() bool {
	return p.Profile.ID == p.Before.Name && p.After.Name != p.Before.Name
}

// nmcli is the word by which nmcli finds the profile in every step: its UUID if the edit renames
// it.
func (p EditPlan) nmcli() string {
	if p.renames() {
		return fault.ShellWord(p.Profile.UUID)
	}
	return p.Profile.Nmcli()
}

// Diff returns a line for each change of the edit: at most a hundred, and a line with the number of
// the others.
func (p EditPlan) Diff() []string { return nm.ChangeLines(p.Changes, 100) }

// Covers says whether an event about the step done tells that a plan's step with that ID is done.
// One event, with the ID [StepRoute], tells of all steps for the kept routes and rules.
func Covers(done, id string) bool {
	return done == id && id != "" || done == StepRoute && KeptStep(id)
}

// KeptStep says whether the step with that ID sets a part that root keeps.
func KeptStep(id string) bool {
	return slices.Contains([]string{StepPin, StepRoute, StepRule, StepForward, StepSNAT, StepClamp, StepLink}, id)
}

// CommandsOf returns the commands of the steps whose ID chosen accepts.
func CommandsOf(steps []Step, chosen func(id string) bool) []string {
	var commands []string
	for _, s := range steps {
		if chosen(s.ID) {
			commands = append(commands, s.Commands...)
		}
	}
	return commands
}
