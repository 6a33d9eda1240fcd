package plan

import (
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/list"
)

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
			Why: "what is not finished shall not survive: it goes to disk when all the rest is done", Commands: p.nmcliModify(true)})
		steps = append(steps, p.applySteps()...)
	}
	if p.KeptDiffers() {
		kept := Plan{Tunnel: p.After, Routes: p.keptNews(), Kept: p.Kept}
		if kept.Kept.Empty() {
			steps = append(steps, Step{ID: StepRoute, What: "remove what nmgre keeps: " + p.KeptBefore.Summary(), Why: "nothing of it is wanted any more"})
		}
		steps = append(steps, kept.keptSteps()...)
	}
	if up {
		steps = append(steps, Step{ID: StepCheck, What: "read back what the kernel holds, and probe the far end",
			Why: "a GRE link that is up proves nothing", Commands: checkCommands(p.After)})
	}
	if p.ProfileDiffers() && !p.Profile.Unsaved {
		steps = append(steps, Step{ID: StepSave, What: "write the profile to disk",
			Why: "from here on the change is there, also after a reboot", Commands: p.nmcliModify(false)})
	}
	return steps
}

// applySteps are those by which the device gets what the profile says.
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

// nmcliModify returns the nmcli command that changes the profile in the same way; none if nmcli
// cannot.
func (p EditPlan) nmcliModify(inMemory bool) []string {
	var more []string
	if p.Profile.ID == p.Before.Name && p.After.Name != p.Before.Name {
		more = []string{"connection.id", p.After.Name}
	}
	return nm.ModifyCommand(p.Profile.UUID, p.Profile.Tunnel, p.ProfileAfter(), inMemory, more...)
}

// Diff returns what the edit changes, a line for each: at most a hundred, and how many there are
// beside them.
func (p EditPlan) Diff() []string { return nm.ChangeLines(p.Changes, 100) }

// Covers says whether what is done as the step done carries out a plan's step of that ID too. All
// steps about what root keeps are carried out as one, [StepRoute].
func Covers(done, id string) bool {
	return done == id && id != "" || done == StepRoute && KeptStep(id)
}

// KeptStep says whether a step of a plan is about what root keeps.
func KeptStep(id string) bool {
	return slices.Contains([]string{StepPin, StepRoute, StepForward, StepSNAT, StepClamp}, id)
}

// CommandsOf are the commands of those steps that is names.
func CommandsOf(steps []Step, is func(id string) bool) []string {
	var commands []string
	for _, s := range steps {
		if is(s.ID) {
			commands = append(commands, s.Commands...)
		}
	}
	return commands
}
