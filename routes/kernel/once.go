package kernel

import "context"

// Once returns a view of the kernel at this moment: it asks for the links, and for the way to each
// destination, once, and then answers from memory. After a change, take a new one. It may be used
// by one goroutine at a time. The links that it returns are shared, and must not be changed.
func Once(k Kernel) Kernel {
	return &once{Kernel: k, ways: make(map[Query]way)}
}

type once struct {
	Kernel
	links []Link
	known bool // links were read
	ways  map[Query]way
}

// way is the answer to a lookup. That nothing leads there is an answer, too.
type way struct {
	hop Hop
	err error
}

// Links reads the links at the first call that succeeds.
func (o *once) Links(ctx context.Context) ([]Link, error) {
	if o.known {
		return o.links, ctx.Err()
	}
	links, err := o.Kernel.Links(ctx)
	o.links, o.known = links, err == nil
	return links, err
}

// Lookup asks for each way once.
func (o *once) Lookup(ctx context.Context, q Query) (Hop, error) {
	if known, ok := o.ways[q]; ok {
		return known.hop, known.err
	}
	hop, err := o.Kernel.Lookup(ctx, q)
	if ctx.Err() == nil {
		o.ways[q] = way{hop, err}
	}
	return hop, err
}
