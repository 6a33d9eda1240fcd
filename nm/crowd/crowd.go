// Package crowd is for many tunnels that are made together: their requests to NetworkManager are in
// flight together, and questions to the host that they have in common are asked once.
package crowd

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

const (
	// Least is from how many tunnels on requests are in flight together. Fewer are made one after
	// the other: whoever reads the steps sees which one failed.
	Least = 8
	// InFlight is how many tunnels have a request under way at the same time at most.
	InFlight = 16
	// Told is how many tunnels are done from one line of progress to the next. From that many on
	// there are such lines.
	Told = 20
)

// Take calls do for each number below n: one after the other for few, and for [Least] and more many
// at a time. It begins none after one has failed, and returns when all have ended, with the error
// of the lowest number that failed. done is called after each, by one goroutine at a time, with how
// many are done.
func Take(n int, do func(i int) error, done func(int)) error {
	if n < Least {
		for i := range n {
			if err := do(i); err != nil {
				return err
			}
			done(i + 1)
		}
		return nil
	}
	return takeMany(n, do, done)
}

func takeMany(n int, do func(i int) error, done func(int)) error {
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var mu sync.Mutex
	var group sync.WaitGroup
	count := 0
	for range min(InFlight, n) {
		group.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(i); errs[i] != nil {
					failed.Store(true)
					return
				}
				mu.Lock()
				count++
				done(count)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}

// undoEach is how much longer an undo may take for each further tunnel. NetworkManager undoes one
// after the other, and on a busy machine each can take it a second and more.
const undoEach = 2 * time.Second

// UndoTime returns how long the undo of n tunnels may take together, without the time in which
// NetworkManager is away.
func UndoTime(n int) time.Duration { return keep.UndoTimeout + time.Duration(n-1)*undoEach }

// Progress returns the line that tells how far a step is: for many tunnels after every twentieth,
// and after the last one. Otherwise it is empty.
func Progress(what string, done, total int) string {
	if total < Told || what == "" || done%Told != 0 && done != total {
		return ""
	}
	return what + ": " + strconv.Itoa(done) + " of " + strconv.Itoa(total) + " tunnels"
}

// View returns the host as it is at this moment, for plans and checks of n tunnels that change
// nothing: for many of them its links and ways, its permissions and the names of root's files are
// asked for once. After a change, take a new one.
func View(sys nm.System, n int) nm.System {
	if n < Least {
		return sys
	}
	sys.Kernel = kernel.Together(sys.Kernel)
	sys.Profiles = &profiles{Profiles: sys.Profiles}
	sys.Store = &files{Store: sys.Store}
	return sys
}

// profiles asks for NetworkManager's version and rights once.
type profiles struct {
	nm.Profiles
	manager once[nm.Manager]
}

// Manager implements [nm.Profiles].
func (p *profiles) Manager(ctx context.Context) (nm.Manager, error) {
	return p.manager.get(func() (nm.Manager, error) { return p.Profiles.Manager(ctx) })
}

// files asks once which files there are, and for the hook.
type files struct {
	keep.Store
	uuids once[[]string]
	hook  once[error]
}

// Get implements [keep.Store].
func (f *files) Get(ctx context.Context, uuid string) (keep.Kept, error) {
	uuids, err := f.uuids.get(func() ([]string, error) { return f.Store.UUIDs(ctx) })
	if err == nil && !slices.Contains(uuids, uuid) {
		return keep.Kept{}, &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept for " + fault.Printable(uuid)}
	}
	return f.Store.Get(ctx, uuid)
}

// HookMissing implements [keep.Store].
func (f *files) HookMissing(ctx context.Context) error {
	missing, _ := f.hook.get(func() (error, error) { return f.Store.HookMissing(ctx), nil })
	return missing
}

// once is an answer that is asked for until it has come.
type once[T any] struct {
	mu    sync.Mutex
	known bool
	value T
}

func (o *once[T]) get(ask func() (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known {
		return o.value, nil
	}
	value, err := ask()
	if err == nil {
		o.value, o.known = value, true
	}
	return value, err
}
