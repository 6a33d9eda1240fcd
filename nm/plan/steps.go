package plan

import (
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/list"
)

// Step is one thing that is done. The IDs are stable.
type Step struct {
	ID   string
	What string // in a few words, such as "add the profile gre1, in memory"
	Why  string // the reason, and who does it
	// Commands are the nmcli, ip, nft or sysctl lines that do the same. It is empty if there are
	// none.
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
			Why:      whyInMemory,
			Commands: []string{t.NmcliAdd()}},
		{ID: StepActivate, What: "bring it up, and wait until its addresses are set",
			Why:      "NetworkManager makes the link, with its addresses and " + routes.CountText(len(t.Routes)),
			Commands: []string{"nmcli connection up " + fault.ShellWord(t.Name)}},
	}
	steps = append(steps, keptSteps(p.Kept, p.Routes)...)
	return append(steps, checkStep(p.Tunnel), Step{ID: StepSave, What: "write the profile to disk",
		Why: "from here on the tunnel is there, also after a reboot"})
}

// whyInMemory is why a profile is not written to disk at once.
const whyInMemory = "a half-finished tunnel must not survive a reboot: the profile goes to disk when all the rest is done"

// checkStep is the step that verifies the tunnel.
func checkStep(t nm.Tunnel) Step {
	return Step{ID: StepCheck, What: "read the kernel's state back, and probe the far end",
		Why: "a GRE link that is up proves nothing", Commands: checkCommands(t)}
}

// keptSteps are the steps of the kernel half, for those of its routes that are new.
func keptSteps(k keep.Kept, fresh []nm.Owned) []Step {
	var steps []Step
	if k.Pin {
		steps = append(steps, Step{ID: StepPin, What: fmt.Sprintf("give the far end %s a host route by the present gateway", k.Remote),
			Why: "a route of the tunnel covers it: the tunnel's own packets would go into the tunnel"})
	}
	if len(k.Routes) > keep.MaxRouteSteps {
		steps = append(steps, Step{ID: StepRoute, What: fmt.Sprintf("add %s to the kernel", routes.CountText(len(k.Routes))), Why: whyKernel(fresh)})
	} else {
		for _, o := range fresh {
			if o.Owner == nm.OwnerKernel {
				steps = append(steps, Step{ID: StepRoute, What: "add the route " + o.Route.String() + " to the kernel", Why: o.Why,
					Commands: []string{o.Route.IPRoute("add", k.Name)}})
			}
		}
	}
	return append(steps, keptForwardSteps(k)...)
}

// whyKernel is the reason of the first of the kernel half's routes.
func whyKernel(list []nm.Owned) string {
	for _, o := range list {
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

// The steps of an edit, beside those that making a tunnel has too.
const (
	StepDown  = "down"
	StepApply = "apply"
)

// steps lists what the edit takes.
func (p EditPlan) steps() []Step {
	if len(p.Changes) == 0 {
		return nil
	}
	var steps []Step
	up := p.Up()
	if p.ProfileDiffers() {
		steps = append(steps, Step{ID: StepProfile, What: "change the profile " + fault.Printable(p.Profile.ID) + ", in memory only",
			Why: whyInMemory, Commands: p.nmcliModify(true)})
		steps = append(steps, p.applySteps()...)
	}
	if p.KeptDiffers() {
		if p.Kept.Empty() {
			steps = append(steps, Step{ID: StepRoute, What: "remove from nmgre's files: " + p.KeptBefore.Summary(), Why: "nothing of it is wanted any more"})
		}
		steps = append(steps, keptSteps(p.Kept, p.keptNews())...)
	}
	if up {
		steps = append(steps, checkStep(p.After))
	}
	if p.ProfileDiffers() && !p.Profile.Unsaved {
		steps = append(steps, Step{ID: StepSave, What: "write the profile to disk",
			Why: "from here on the change is there, also after a reboot", Commands: p.nmcliModify(false)})
	}
	return steps
}

// applySteps are the steps by which the device gets the changed profile.
func (p EditPlan) applySteps() []Step {
	if !p.Up() {
		return nil
	}
	if !p.Flaps {
		return []Step{{ID: StepApply, What: "apply it while the tunnel is up", Why: p.Why, Commands: []string{"nmcli device reapply " + fault.ShellWord(p.Profile.Device)}}}
	}
	return []Step{
		{ID: StepDown, What: "take the tunnel down", Why: p.Why, Commands: nm.NmcliCommand("down", p.Profile.UUID)},
		{ID: StepActivate, What: "bring it up, and wait until its addresses are set", Why: "NetworkManager makes the link anew",
			Commands: nm.NmcliCommand("up", p.Profile.UUID)},
	}
}

// keptNews are the routes that the kernel gets with the edit.
func (p EditPlan) keptNews() []nm.Owned {
	old := list.NewSet(p.KeptBefore.Routes)
	var news []nm.Owned
	for _, o := range p.Routes {
		if o.Owner == nm.OwnerKernel && !old.Has(o.Route) {
			news = append(news, o)
		}
	}
	return news
}

// nmcliModify returns the nmcli command that changes the profile in the same way. It is empty if
// nmcli cannot.
func (p EditPlan) nmcliModify(inMemory bool) []string {
	var more []string
	if p.Profile.ID == p.Before.Name && p.After.Name != p.Before.Name {
		more = []string{"connection.id", p.After.Name}
	}
	return nm.ModifyCommand(p.Profile.UUID, p.Profile.Tunnel, p.ProfileAfter(), inMemory, more...)
}

// Diff returns the changes of the edit, a line for each: at most a hundred, and the number of the
// others.
func (p EditPlan) Diff() []string { return nm.ChangeLines(p.Changes, 100) }

// Covers says whether the work that is told as the step done carries out a plan's step of that ID
// too. All steps of the kernel half are carried out as one, [StepRoute].
func Covers(done, id string) bool {
	return done == id && id != "" || done == StepRoute && KeptStep(id)
}

// KeptStep says whether a step belongs to the kernel half, which root keeps.
func KeptStep(id string) bool {
	return slices.Contains([]string{StepPin, StepRoute, StepForward, StepSNAT, StepClamp}, id)
}

// CommandsOf are the commands of the steps whose IDs are chosen.
func CommandsOf(steps []Step, chosen func(id string) bool) []string {
	var commands []string
	for _, s := range steps {
		if chosen(s.ID) {
			commands = append(commands, s.Commands...)
		}
	}
	return commands
}
