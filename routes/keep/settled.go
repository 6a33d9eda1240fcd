package keep

import (
	"context"
	"slices"

	"nmgre/routes/kernel"
)

// Settling notes the host at a moment at which nothing was left to do. The next hook compares the
// host with the note before it asks NetworkManager. Its methods are called under the lock.
type Settling interface {
	// Begin looks at the files that the wanted routes and rules depend on. It is called before they
	// are read.
	Begin()
	// Settle notes that everything is set: all that is kept for the tunnels on devices is so many
	// routes and rules, and the kernel has them.
	Settle(ctx context.Context, devices []string, routes, rules int)
	// Unsettle forgets the note.
	Unsettle()
}

// maxSettling is how many routes and rules are noted at most. Longer lists take their time.
const maxSettling = 10_000

// begin calls [Settling.Begin].
func (l *LocalKeeper) begin() {
	if l.Settling != nil {
		l.Settling.Begin()
	}
}

// settle notes that nothing is left to do, or forgets the note.
func (l *LocalKeeper) settle(ctx context.Context, s *state, w *wanted, c *Converged) {
	switch {
	case l.Settling == nil:
	case ctx.Err() == nil && len(c.Routes.Refused) == 0 && s.isPlain(w) && !l.tries(ctx, s):
		devices := make([]string, len(s.kept))
		for i := range s.kept {
			devices[i] = s.kept[i].Name
		}
		l.Settling.Settle(ctx, devices, len(w.routes), len(w.policy))
	default:
		l.Settling.Unsettle()
	}
}

// tries reports whether a kept part or a profile is on trial. Its process can end without a trace
// in any file, and the next hook is to undo the trial then.
func (l *LocalKeeper) tries(ctx context.Context, s *state) bool {
	tried, err := l.Store.Tried(ctx)
	if err != nil || len(tried) > 0 {
		return true
	}
	for _, p := range s.running {
		if p.Trial {
			return true
		}
	}
	return false
}

// isPlain reports whether every tunnel is up, as NetworkManager says, and everything wanted of the
// kernel is theirs alone: plain routes, and rules of the routing policy. Then nothing else decides
// about it than the files, the tunnels' links and NetworkManager's word that they are up.
func (s *state) isPlain(w *wanted) bool {
	if s.running == nil || len(w.problems)+len(w.trouble) > 0 || w.hookOthers || w.routesStay {
		return false
	}
	if len(w.forward)+len(w.rules)+len(w.links) > 0 || len(s.kept) == 0 || len(s.kept) > few || len(w.routes)+len(w.policy) > maxSettling {
		return false
	}
	other := func(r kernel.OwnRoute) bool { return len(r.Route.Nexthops) > 0 || r.Route.NexthopID != 0 }
	return !slices.ContainsFunc(s.kept, func(k Kept) bool { return !s.isUp(k) }) && !slices.ContainsFunc(w.routes, other)
}
