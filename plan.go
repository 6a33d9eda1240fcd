package nmgre

// Plan is everything that [Host.Create] will do, decided before anything is done.
type Plan struct {
	Tunnel Tunnel // with everything decided: name, local address, MTU, the far end's inner address and the route to it
	Steps  []Step
	Notes  []string // what the person should know before, such as what was chosen and why

	newest uint64 // the highest Serial of the profiles that were looked at
}

// Step is one thing that is done. The IDs are stable.
type Step struct {
	ID       string
	What     string   // in a few words, such as "add the profile gre1, in memory"
	Why      string   // why it is done, and by whom
	Commands []string // what a person would type for it, by nmcli and ip; empty if there is no such command
}

// The steps of making a tunnel, in their order.
const (
	StepProfile  = "profile"
	StepActivate = "activate"
	StepRoute    = "route"
	StepCheck    = "check"
	StepSave     = "save"
)

// createSteps lists what making t takes.
func createSteps(t Tunnel) []Step {
	steps := []Step{
		{ID: StepProfile, What: "add the profile " + t.Name + ", in memory only",
			Why:      "what is not finished shall not survive: it goes to disk when all the rest is done",
			Commands: []string{t.NmcliAdd()}},
		{ID: StepActivate, What: "bring it up, and wait until its addresses are set",
			Why:      "NetworkManager makes the link, with its addresses and " + countRoutes(len(t.RoutesOf(OwnerProfile))),
			Commands: []string{"nmcli connection up " + shellQuote(t.Name)}},
	}
	for _, r := range t.RoutesOf(OwnerKernel) {
		_, why := RouteOwner(r)
		steps = append(steps, Step{ID: StepRoute, What: "add the route " + r.String() + " to the kernel", Why: why, Commands: []string{r.IPRouteAdd(t.Name)}})
	}
	return append(steps,
		Step{ID: StepCheck, What: "read back what the kernel holds, and probe the far end",
			Why: "a GRE link that is up proves nothing", Commands: checkCommands(t)},
		Step{ID: StepSave, What: "write the profile to disk",
			Why: "from here on the tunnel is there, also after a reboot"})
}

func checkCommands(t Tunnel) []string {
	commands := []string{"ip -d link show dev " + t.Name}
	for _, r := range t.Routes {
		if r.TableOrMain() == MainTable {
			commands = append(commands, "ip route get "+sampleAddr(r.Dst, t.Remote).String())
		}
	}
	if t.PeerAddress.IsValid() {
		commands = append(commands, "ping -c 3 -I "+t.Name+" "+t.PeerAddress.String())
	}
	return commands
}
