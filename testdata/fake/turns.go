package fake

// Schedule runs two processes one call at a time: i calls of the first, j calls of the second, then
// the rest of the first, then the rest of the second.
func Schedule(first, second *Process, i, j int, runFirst, runSecond func()) {
	a, b := newTurns(first, runFirst), newTurns(second, runSecond)
	a.give(i)
	b.give(j)
	a.give(-1)
	b.give(-1)
}

// turns makes a process run call by call.
type turns struct {
	asks, may, done chan struct{}
	waiting         bool // the process waits for its next call
}

func newTurns(p *Process, run func()) *turns {
	t := &turns{asks: make(chan struct{}), may: make(chan struct{}), done: make(chan struct{})}
	p.Turn = func(int, string) {
		if p.locked {
			return // the other process would wait for the lock
		}
		t.asks <- struct{}{}
		<-t.may
	}
	go func() { defer close(t.done); run() }()
	t.wait()
	return t
}

// wait returns true when the process wants to make a call, and false when it has ended.
func (t *turns) wait() bool {
	if !t.waiting {
		select {
		case <-t.asks:
			t.waiting = true
		case <-t.done:
		}
	}
	return t.waiting
}

// give lets the process make n calls, or all its calls if n is negative. After that the process
// stands still.
func (t *turns) give(n int) {
	for ; n != 0 && t.wait(); n-- {
		t.waiting = false
		t.may <- struct{}{}
		t.wait()
	}
}
