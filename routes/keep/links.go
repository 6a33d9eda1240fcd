package keep

import (
	"context"
	"errors"
	"maps"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// SetOptions are the options of a link that nmgre has switched on. A device of the same name with
// another index is another link, which somebody has made since.
type SetOptions struct {
	Index   int // of the device
	Options gre.LinkOptions
}

// setLinks switches on the options of links that are kept for the tunnels that are up. It undoes
// those of links that no longer want them. The store remembers which ones nmgre has switched on
// before anything is changed: an option that somebody else has set stays.
func (l *LocalKeeper) setLinks(ctx context.Context, s *state, w *wanted) (changed bool) {
	before, err := l.Store.SetLinks(ctx)
	if err != nil {
		w.problems.add(err)
		return false
	}
	changes, now := s.linkChanges(before, w.links)
	err = l.rememberLinks(ctx, before, changes.noted(before, now))
	if err != nil {
		w.problems.add(err)
		return false
	}
	for _, c := range changes {
		err := l.Kernel.SetLink(ctx, c.LinkChange)
		switch {
		case errors.Is(err, fault.ErrNotFound): // its connection is going down
			delete(now, c.Name)
		case err != nil:
			w.problems.add(err, c.uuid...)
			now[c.Name] = SetOptions{c.index, now[c.Name].Options.With(c.Off)}
		default:
			changed = true
		}
	}
	w.problems.add(l.rememberLinks(ctx, changes.noted(before, now), now))
	return changed
}

// linkChange is a change of a link, with the UUID of the tunnel that wants it, if one does.
type linkChange struct {
	kernel.LinkChange
	index int
	uuid  []string
}

type linkChanges []linkChange

// noted returns the options to remember while the changes are made: those that nmgre has set
// before, and those that it sets now. A process that is killed in the middle leaves a note of both.
func (list linkChanges) noted(before, now map[string]SetOptions) map[string]SetOptions {
	both := maps.Clone(now)
	for _, c := range list {
		if old := before[c.Name]; old.Index == c.index {
			both[c.Name] = SetOptions{c.index, now[c.Name].Options.With(old.Options)}
		}
	}
	return both
}

// linkChanges compares the links with the options that are wanted, by the names of the devices. It
// returns the changes that make them agree, and the options that nmgre will have set then.
func (s *state) linkChanges(before map[string]SetOptions, wanted map[string]*Kept) (changes linkChanges, now map[string]SetOptions) {
	now = make(map[string]SetOptions)
	names := slices.Collect(maps.Keys(before))
	names = append(names, slices.Collect(maps.Keys(wanted))...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		link := kernel.Named(s.links, name)
		if link == nil || link.GRE == nil {
			continue
		}
		own := before[name]
		if own.Index != link.Index {
			own = SetOptions{}
		}
		change, set := linkDifference(*link, own.Options, wanted[name])
		if set.Any() {
			now[name] = SetOptions{link.Index, set}
		}
		if change.On.With(change.Off).Any() {
			changes = append(changes, change)
		}
	}
	return changes, now
}

// linkDifference returns the change of a link whose options own are nmgre's, and those that are
// nmgre's afterwards. k has the options that are wanted; nil wants none.
func linkDifference(link kernel.Link, own gre.LinkOptions, k *Kept) (change linkChange, set gre.LinkOptions) {
	var want gre.LinkOptions
	change.Name, change.index = link.Name, link.Index
	if k != nil {
		want, change.uuid = k.Link, []string{k.UUID}
	}
	has := link.Options()
	change.On = want.Without(has)
	change.Off = has.Without(has.Without(own)).Without(want)
	return change, own.Without(own.Without(want)).With(change.On)
}

// rememberLinks writes the changes only.
func (l *LocalKeeper) rememberLinks(ctx context.Context, old, now map[string]SetOptions) error {
	if maps.Equal(old, now) {
		return nil
	}
	return l.Store.RememberLinks(ctx, now)
}

// MissingOptions returns the options that are kept for the link, which may be nil, and that it does
// not have.
func (k Kept) MissingOptions(link *kernel.Link) gre.LinkOptions {
	if link == nil {
		return k.Link
	}
	return k.Link.Without(link.Options())
}
