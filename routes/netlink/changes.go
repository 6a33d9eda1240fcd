package netlink

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/netlink/wire"
)

// changes sends the difference that a comparison has found.
type changes struct {
	*comparison
	batch batch
	// Wanted routes that looked different from the kernel's, but are the same to it.
	there map[int]bool

	progress    func(done, total int) // may be nil
	done, total int
	told        time.Time // when progress was last called
}

func newChanges(s *comparison, k *Kernel, progress func(done, total int)) *changes {
	c := &changes{comparison: s, there: make(map[int]bool), progress: progress, total: s.removals.count(), told: time.Now()}
	for _, state := range s.states {
		if state == stateMissing || state == stateOther {
			c.total++
		}
	}
	c.batch = batch{kernel: k, refuse: c.refuse}
	return c
}

// send first sets the wanted routes in their order, since a gateway may need an earlier route, and
// then removes the others.
func (c *changes) send(ctx context.Context) error {
	defer func() { _ = c.batch.wait() }() // at an early return, the send under way still ends first
	slices.SortStableFunc(c.rivals, func(a, b rival) int { return cmp.Compare(a.index, b.index) })
	for _, step := range []func(context.Context) error{c.add, c.batch.flush, c.clearOld, c.remove, c.batch.flush, c.again, c.batch.flush} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// add adds the missing routes, and replaces those that differ.
func (c *changes) add(ctx context.Context) error {
	at := 0
	for i, state := range c.states {
		from := at
		for at < len(c.rivals) && int(c.rivals[at].index) == i {
			at++
		}
		var err error
		switch state {
		case stateMissing:
			err = c.put(ctx, i, unix.NLM_F_EXCL)
		case stateOther:
			err = c.replace(ctx, i, c.rivals[from:at])
		default:
			continue
		}
		if err = c.step(err); err != nil {
			return err
		}
	}
	return nil
}

// put sends a wanted route.
func (c *changes) put(ctx context.Context, i, flags int) error {
	var w wire.Route
	if err := c.encode(i, &w); err != nil {
		return err
	}
	return c.batch.add(ctx, unix.RTM_NEWROUTE, flags|unix.NLM_F_CREATE, i, &w)
}

// replace puts a wanted route into the place of other routes of ours. Where the kernel cannot do
// that safely, it deletes the others right before.
func (c *changes) replace(ctx context.Context, i int, rivals []rival) error {
	if len(rivals) == 1 && rivals[0].gentle {
		if c.isIPv4(i) {
			return c.put(ctx, i, unix.NLM_F_APPEND)
		}
		return c.put(ctx, i, unix.NLM_F_REPLACE)
	}
	for j := range rivals {
		if err := c.batch.addBody(ctx, unix.RTM_DELROUTE, c.old.at(int(rivals[j].old))); err != nil {
			return err
		}
		rivals[j].old = -1
	}
	return c.put(ctx, i, unix.NLM_F_EXCL)
}

func (c *changes) isIPv4(i int) bool { return c.want[i].Route.Dst.Addr().Is4() }

// clearOld deletes the old routes that are still there: IPv4's, which stand beside their
// successors, and IPv6's whose successor was refused.
func (c *changes) clearOld(ctx context.Context) error {
	for _, r := range c.rivals {
		i := int(r.index)
		if gone := !c.isIPv4(i) && c.refusals[i] == nil; gone || r.old < 0 || c.there[i] {
			continue
		}
		if err := c.batch.addBody(ctx, unix.RTM_DELROUTE, c.old.at(int(r.old))); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes the routes that are not wanted.
func (c *changes) remove(ctx context.Context) error {
	for i := range c.removals.count() {
		if err := c.step(c.batch.addBody(ctx, unix.RTM_DELROUTE, c.removals.at(i))); err != nil {
			return err
		}
	}
	return nil
}

// again tries the refused routes once more: a gateway may be in reach now that all other routes are
// set.
func (c *changes) again(ctx context.Context) error {
	var tries []int
	for _, i := range slices.Sorted(maps.Keys(c.refusals)) {
		if c.states[i] != stateInvalid && !errors.Is(c.refusals[i], fault.ErrExists) {
			tries = append(tries, i)
		}
	}
	if len(tries) == c.total { // nothing has changed
		return nil
	}
	for _, i := range tries {
		delete(c.refusals, i) // all of them, before the kernel can refuse the first again
	}
	for _, i := range tries {
		if err := c.put(ctx, i, unix.NLM_F_EXCL); err != nil {
			return err
		}
	}
	return nil
}

// refuse notes that the kernel refused a wanted route. The flags are those of the message.
func (c *changes) refuse(i int, flags uint16, err error) {
	if flags&unix.NLM_F_APPEND != 0 && errors.Is(err, unix.EEXIST) {
		c.there[i] = true
		return
	}
	c.refusals[i] = refused(c.words(i), err)
}

// progressTime is the least time between two calls of progress.
const progressTime = 50 * time.Millisecond

// step counts a change, unless err says that it failed.
func (c *changes) step(err error) error {
	if err != nil {
		return err
	}
	c.done++
	if c.progress != nil && (time.Since(c.told) > progressTime || c.done == c.total) {
		c.told = time.Now()
		c.progress(c.done, c.total)
	}
	return nil
}
