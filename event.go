package nmgre

import (
	"context"
	"slices"
	"strings"
	"time"
)

// step does one step and tells how it went, and does none once ctx has ended. A step without a name is no news.
func (h *Host) step(ctx context.Context, e Event, do func() error) error {
	if err := ctx.Err(); err != nil {
		return contextError(err)
	}
	begin := time.Now()
	e.Err = do()
	e.Took = time.Since(begin)
	if e.What != "" {
		h.tell(e)
	}
	return e.Err
}

// keptStep says whether a step of a plan is about what root keeps.
func keptStep(id string) bool {
	return slices.Contains([]string{StepPin, StepRoute, StepForward, StepSNAT, StepClamp}, id)
}

// commandsOf are the commands of those steps that is names.
func commandsOf(steps []Step, is func(id string) bool) []string {
	var commands []string
	for _, s := range steps {
		if is(s.ID) {
			commands = append(commands, s.Commands...)
		}
	}
	return commands
}

// nmcliCommand is what does the same to a profile as a whole.
func nmcliCommand(verb, uuid string) []string {
	return []string{shellJoin([]string{"nmcli", "connection", verb, uuid})}
}

// ipCommands are the ip commands that add, replace or del what is kept of routes; none for very many.
func (k Kept) ipCommands(verb string) []string {
	if len(k.Routes) > maxRouteSteps {
		return nil
	}
	var commands []string
	for _, r := range k.Routes {
		commands = append(commands, strings.Replace(r.IPRouteAdd(k.Name), " route add ", " route "+verb+" ", 1))
	}
	return commands
}
