package kernel

import (
	"context"
	"sync"
)

// Once returns a view of the kernel at this moment: it asks for the links, the rules, and the
// way to each destination, once, and then answers from memory. After a change, take a new one.
// Several goroutines may use it at once. The links and rules that it returns are shared, and must
// not be changed.
func Once(k Kernel) Kernel {
	if t, ok := k.(together); ok {
		return t.view
	}
	return &once{Kernel: k, ways: make(map[Query]*answer[Hop])}
}

// Together returns the kernel for many tasks that look at the same moment of it: [Once] of it is
// one view, which they share. Whatever the view does not answer is asked anew by each.
func Together(k Kernel) Kernel { return together{k, Once(k)} }

type together struct {
	Kernel
	view Kernel
}

type once struct {
	Kernel
	links answer[[]Link]
	rules answer[[]HeldRule]

	mu   sync.Mutex
	ways map[Query]*answer[Hop]
}

// answer is one that is asked for once. Whoever comes meanwhile waits for it.
type answer[T any] struct {
	mu    sync.Mutex
	known bool
	value T
	err   error
}

// get returns the answer. An error is kept only if final says so.
func (a *answer[T]) get(ask func() (T, error), final func(error) bool) (T, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known {
		return a.value, a.err
	}
	value, err := ask()
	if err == nil || final(err) {
		a.value, a.err, a.known = value, err, true
	}
	return value, err
}

// Links reads the links at the first call that succeeds.
func (o *once) Links(ctx context.Context) ([]Link, error) {
	links, err := o.links.get(func() ([]Link, error) { return o.Kernel.Links(ctx) }, func(error) bool { return false })
	if err == nil {
		err = ctx.Err()
	}
	return links, err
}

// Rules reads the rules at the first call that succeeds.
func (o *once) Rules(ctx context.Context) ([]HeldRule, error) {
	return o.rules.get(func() ([]HeldRule, error) { return o.Kernel.Rules(ctx) }, func(error) bool { return false })
}

// Lookup asks for each way once. That nothing leads there is an answer, too.
func (o *once) Lookup(ctx context.Context, q Query) (Hop, error) {
	o.mu.Lock()
	way := o.ways[q]
	if way == nil {
		way = new(answer[Hop])
		o.ways[q] = way
	}
	o.mu.Unlock()
	return way.get(func() (Hop, error) { return o.Kernel.Lookup(ctx, q) }, func(error) bool { return ctx.Err() == nil })
}
