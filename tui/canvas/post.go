package canvas

import (
	"sync"

	tea "charm.land/bubbletea/v2"
)

// Post takes messages of all goroutines to the main loop, in their order. Nobody who sends one
// waits for the main loop: a change goes on, and is undone in time, even if that stood still.
type Post struct {
	Deliver func(tea.Msg) // hands one over; it may wait for the main loop

	mu         sync.Mutex
	waiting    []tea.Msg
	delivering bool
}

// Send takes a message, and returns at once.
func (p *Post) Send(msg tea.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, msg)
	if !p.delivering {
		p.delivering = true
		go p.run()
	}
}

// run delivers until no message waits.
func (p *Post) run() {
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 {
			p.delivering = false
			p.mu.Unlock()
			return
		}
		msg := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		p.Deliver(msg)
	}
}
