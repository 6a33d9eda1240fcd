package adopt

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// takeover takes a link over. It implements [keep.Takeover].
type takeover struct {
	sys nm.System
	b   kernel.ByHand
	f   Found
	// device is the index of the one by which packets leave for the far end; 0 if it is not known.
	device int
	kept   keep.Kept
}

// Activate activates the profile on the link. Another link stands in meanwhile.
func (t *takeover) Activate(ctx context.Context, k keep.Kept, activate func() error) error {
	if err := t.before(ctx, k); err != nil {
		return err
	}
	if err := activate(); err != nil {
		return err
	}
	return t.between(ctx)
}

// before prepares for the moment in which NetworkManager takes over the link: it removes the link's
// addresses, and with them its routes, before it sets its own. Another link stands in meanwhile.
// Root's file has the tunnel's part by then, though the profile is not up: whoever is killed from
// then on leaves the parts that the profile does not hold to the hook, or to the next command.
func (t *takeover) before(ctx context.Context, k keep.Kept) error {
	if err := MayAdopt(t.sys); err != nil {
		return err
	}
	t.kept = k
	// Routes by other devices, too, would be set at once, and those made by hand are still there.
	k.Routes = slices.DeleteFunc(slices.Clone(k.Routes), func(r routes.Route) bool { return len(r.Nexthops) > 0 || r.NexthopID != 0 })
	if !k.Empty() {
		k.Up = nil
		if _, err := t.sys.Keeper.Keep(ctx, k, nil); err != nil {
			return err
		}
	}
	if len(k.Routes) < len(t.kept.Routes) {
		if err := t.write(ctx); err != nil {
			return err
		}
	}
	if err := t.sys.Hands.Hold(ctx, t.b, t.f.Rules); err != nil {
		return err
	}
	_, err := t.sys.Hands.StandIn(ctx, t.b, t.device, places(t.b, t.kept))
	return err
}

// write writes all the kept routes and rules to the file, and sets nothing yet.
func (t *takeover) write(ctx context.Context) error {
	unlock, err := t.sys.Store.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = t.sys.Store.Put(ctx, t.kept)
	return err
}

// between removes the routes and rules made by hand whose places root's take.
func (t *takeover) between(ctx context.Context) error {
	var rules []int // the kernel has no rule twice
	for _, i := range t.f.Rules {
		if slices.Contains(t.kept.Policy, t.b.Rules[i].Rule) {
			rules = append(rules, i)
		}
	}
	return errors.Join(t.sys.Hands.RemoveRoutes(ctx, t.b, places(t.b, t.kept)), t.sys.Hands.RemoveRules(ctx, t.b, rules, nil))
}

// places returns the indexes of the routes made by hand whose places root's routes take.
func places(b kernel.ByHand, k keep.Kept) (list []int) {
	slots := make(map[slot]bool, len(k.Routes))
	for i := range k.Routes {
		slots[slotOf(&k.Routes[i])] = true
	}
	for i := range b.Routes {
		if h := &b.Routes[i]; h.Protocol != kernel.RouteProtocol && h.Protocol != protoKernel && slots[slotOf(&h.Route)] {
			list = append(list, i)
		}
	}
	return list
}

// slot is the place of a route in the kernel.
type slot struct {
	dst           netip.Prefix
	table, metric uint32
	tos           uint8
}

func slotOf(r *routes.Route) slot { return slot{r.Dst, r.TableOrMain(), r.KernelMetric(), r.TOS} }

// After removes the parts made by hand that the tunnel has itself by now: rules, and the link that
// stood in.
func (t *takeover) After(ctx context.Context) error {
	return errors.Join(t.sys.Hands.RemoveRules(ctx, t.b, t.f.Rules, nil), t.sys.Hands.Unstand(ctx))
}

// Done removes the NAT rules that were made by hand, when everything else is saved: nothing could
// give them back.
func (t *takeover) Done(ctx context.Context, warn func(...string)) {
	if err := t.sys.Hands.RemoveRules(ctx, t.b, nil, t.f.NAT); err != nil {
		warn("could not remove the SNAT made by hand: " + err.Error())
	}
}

// Undo gives the link back as it was, when its profile is deleted. NetworkManager deletes no link
// that it has not made, but its addresses and routes, and it takes the link out of its zone.
func (t *takeover) Undo(ctx context.Context) error {
	if !t.kept.Empty() {
		if err := t.sys.Keeper.Forget(ctx, t.kept.UUID); err != nil {
			return err
		}
	}
	return errors.Join(t.sys.Hands.Restore(ctx, t.b, t.f.Rules), t.sys.Hands.Unstand(ctx), t.f.undoZone(ctx, t.sys.Zones))
}

// Activate activates a profile with the help of over, which is nil for a new link.
func Activate(ctx context.Context, over keep.Takeover, k keep.Kept, activate func() error) error {
	if over == nil {
		return activate()
	}
	return over.Activate(ctx, k, activate)
}

// After calls over's After, unless there was an error before. It does nothing for a new link.
func After(ctx context.Context, over keep.Takeover, before error) error {
	if over == nil || before != nil {
		return before
	}
	return over.After(ctx)
}

// Done calls over's Done. It does nothing for a new link.
func Done(ctx context.Context, over keep.Takeover, warn func(...string)) {
	if over != nil {
		over.Done(ctx, warn)
	}
}

// Undo deletes the profile, and then has over give the link back.
func Undo(ctx context.Context, over keep.Takeover, remove func() error) error {
	if err := remove(); err != nil {
		return err
	}
	return over.Undo(ctx)
}
