package reconcile

import (
	"context"
	"errors"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// lacking is what the kernel does not have of root's part of a tunnel.
type lacking struct {
	routes  []routes.Route // the pin among them
	policy  []rule.Rule
	rules   []keep.Rule
	forward []string // devices whose packets are not forwarded
}

// lackingOf compares the kernel with root's parts of tunnels, and returns what it lacks, by the
// UUIDs of the tunnels. Each kind is asked for once, whatever the number of tunnels. A caller who
// may not read nftables' rules learns nothing about them.
func lackingOf(ctx context.Context, sys nm.System, links []kernel.Link, w keep.Want) (map[string]lacking, error) {
	c := comparison{sys: sys, want: w, found: make(map[string]lacking)}
	return c.found, errors.Join(c.routes(ctx, links), c.policy(ctx), c.rules(ctx), c.forward(ctx))
}

// comparison collects what the kernel lacks.
type comparison struct {
	sys   nm.System
	want  keep.Want
	found map[string]lacking
}

// note changes what a tunnel lacks.
func (c *comparison) note(uuid string, change func(*lacking)) {
	one := c.found[uuid]
	change(&one)
	c.found[uuid] = one
}

func (c *comparison) routes(ctx context.Context, links []kernel.Link) error {
	all, of := slices.Clone(c.want.Routes), make([]string, 0, len(c.want.Routes))
	for i := range all {
		of = append(of, c.want.RouteOf(i))
	}
	for _, k := range c.want.Up {
		if !k.Pin || !k.Remote.IsValid() {
			continue
		}
		pin, err := keep.PinFor(ctx, c.sys.Kernel, links, k.Remote)
		if err != nil {
			return err
		}
		if pin != nil {
			all, of = append(all, *pin), append(of, k.UUID)
		}
	}
	if len(all) == 0 {
		return nil
	}
	result, err := c.sys.Kernel.SyncRoutes(ctx, all, kernel.SyncOptions{DryRun: true})
	for _, i := range slices.Concat(result.Added, result.Replaced) {
		c.note(of[i], func(one *lacking) { one.routes = append(one.routes, *all[i].Route) })
	}
	return err
}

func (c *comparison) policy(ctx context.Context) error {
	if len(c.want.Policy) == 0 {
		return nil
	}
	held, err := c.sys.Kernel.Rules(ctx)
	there := kernel.RulesOf(held)
	for i, r := range c.want.Policy {
		if err == nil && !there[r] {
			c.note(c.want.PolicyOf(i), func(one *lacking) { one.policy = append(one.policy, r) })
		}
	}
	return err
}

func (c *comparison) rules(ctx context.Context) error {
	if len(c.want.Rules) == 0 {
		return nil
	}
	missing, err := c.sys.Gateway.Missing(ctx, c.want.Rules)
	if errors.Is(err, fault.ErrNotPermitted) {
		return nil
	}
	for _, i := range missing {
		r := c.want.Rules[i]
		c.note(r.UUID, func(one *lacking) { one.rules = append(one.rules, r) })
	}
	return err
}

// forward asks for the devices that are there: others get the switch when they come back.
func (c *comparison) forward(ctx context.Context) error {
	for dev, uuids := range c.want.Forward {
		on, err := c.sys.Gateway.Forwarding(ctx, dev)
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return err
		}
		if err != nil || on {
			continue
		}
		for _, uuid := range uuids {
			c.note(uuid, func(one *lacking) {
				one.forward = append(one.forward, dev)
				slices.Sort(one.forward)
			})
		}
	}
	return nil
}
