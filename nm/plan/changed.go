package plan

import (
	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/list"
)

// IPCommands returns the ip commands that make the same change of the kernel's routes. It returns
// none for very many routes.
func (c *ChangePlan) IPCommands() []string {
	result := c.Result.Routes
	if len(result) > keep.MaxRouteSteps {
		return nil
	}
	word := map[RouteOp]string{RouteAdd: "add", RouteReplace: "replace", RouteDelete: "del"}[c.Change.Op]
	return keep.Kept{Name: c.Profile.Tunnel.Name, Routes: nm.OwnedBy(result, nm.OwnerKernel)}.IPCommands(word)
}

// NmcliCommands returns the nmcli commands that change the profile's routes from one list to the
// other.
func (c *ChangePlan) NmcliCommands(from, to []routes.Route) []string {
	p := c.Profile
	before, after := p.Tunnel, p.Tunnel
	before.Routes, after.Routes = from, to
	commands := nmcli.Modify(p.Nmcli(), before, after, false)
	if p.Device != "" {
		commands = append(commands, "nmcli device reapply "+fault.ShellWord(p.Device))
	}
	return commands
}

// NameLines adds the number of the line to errors about kept routes that the kernel has refused.
// Such an error has the number of the route among the kept ones.
func (c *ChangePlan) NameLines(err error) error {
	change := c.Change
	if len(change.Lines) == 0 {
		return err
	}
	var requested *list.Index[routes.Slot]
	fault.Walk(err, func(e *fault.Error) {
		if e.Item < 1 || e.Item > len(c.Kept.Routes) {
			return
		}
		if requested == nil {
			requested = list.IndexOf(change.Routes)
		}
		refused := &c.Kept.Routes[e.Item-1]
		if at, found := requested.Find(refused.Slot()); found && change.Routes[at].Equal(refused) {
			e.Line = change.Lines[at]
		}
	})
	return err
}
