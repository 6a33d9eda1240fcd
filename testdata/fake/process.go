package fake

import (
	"context"
	"errors"
	"sync"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/kernel"
)

// Process is one running nmgre on a world: its [nm.Profiles], [keep.Gateway] and more. Each of its
// calls has a number.
type Process struct {
	*World
	Calls  []string   // the methods, in the order of the calls
	number sync.Mutex // one call at a time has its number
	locked bool       // it has the lock on root's files
	Dead   bool       // it was killed: its profiles on trial are abandoned
	AsRoot bool       // it is root's, even with NoRoot

	// Fault returns the fault of the n-th call, counted from 0. It may be nil.
	Fault func(n int, method string) Fault
	// Turn is called before each call, so that another process can have its turn. It may be nil.
	Turn func(n int, method string)

	// the events of the watches, and the errors with which the watches fail
	ProfileEvents            chan nm.ProfileEvent
	KernelEvents             chan kernel.Event
	RuleEvents               chan struct{}
	WatchErr, KernelWatchErr error
}

// Fault is a fault of a call. With the zero Fault the call does its work.
type Fault struct {
	Err    error  // the call fails with it
	Cancel func() // the caller's context ends during the call
	Hang   bool   // the call returns only when its context ends
	Kill   bool   // the process dies
	After  bool   // the call does its work first: only its answer is lost
	Quiet  bool   // with Cancel and After: the answer is not lost either
}

// killed is the value with which a process panics when it dies.
type killed struct{ p *Process }

// Start returns a new process on the world.
func (w *World) Start() *Process { return &Process{World: w} }

// Host returns nmgre's verbs for the process. It listens if the world has something to hear.
func (p *Process) Host() *nmgre.Host {
	h := &nmgre.Host{System: nm.System{Profiles: p, Kernel: Kernel{p}, Gateway: p, Store: Store{p}, Keeper: p.Keeper(), Zones: p, Resolver: p}}
	if p.Hears != nil {
		h.Listener = p.Listener()
	}
	return h
}

// errDead is the answer to a call of a dead process: its goroutines cannot be ended.
var errDead = errors.New("the process is dead")

// count gives a call its number. A dead process makes none: it may have a goroutine that lives,
// such as a probe that begins later.
func (p *Process) count(method string) (n int, err error) {
	p.number.Lock()
	defer p.number.Unlock()
	if p.Dead {
		return 0, errDead
	}
	p.Calls = append(p.Calls, method)
	return len(p.Calls) - 1, nil
}

// call counts a call, and does its work or lets its fault happen.
func (p *Process) call(ctx context.Context, method string, work func() error) error {
	do := func() error { // calls of several goroutines do their work in turn
		p.atWork.Lock()
		defer p.atWork.Unlock()
		return work()
	}
	n, err := p.count(method)
	if err != nil {
		return err
	}
	if p.Turn != nil {
		p.Turn(n, method)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var f Fault
	if p.Fault != nil {
		f = p.Fault(n, method)
	}
	if f.After {
		if err := do(); err != nil && !f.Kill {
			return err
		}
	}
	if f.Quiet {
		f.Cancel()
		return nil
	}
	switch {
	case f.Kill:
		p.number.Lock()
		p.Dead = true
		p.number.Unlock()
		panic(killed{p})
	case f.Cancel != nil:
		f.Cancel()
		return ctx.Err()
	case f.Hang:
		<-ctx.Done()
		return ctx.Err()
	case f.Err != nil:
		return f.Err
	}
	return do()
}

// Look runs f while no call of any process does its work, for a test that reads or changes it.
// f must make no call.
func (w *World) Look(f func()) {
	w.atWork.Lock()
	defer w.atWork.Unlock()
	f()
}

// Survives runs f and says whether the process is still alive.
func Survives(f func()) (alive bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			alive = false
		}
	}()
	f()
	return true
}
