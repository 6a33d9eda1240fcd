package fake

import (
	"context"

	"nmgre/routes/kernel"
)

// Listener is a process as a [kernel.Listener].
type Listener struct{ *Process }

// Listener returns the process's listener. It hears the packets and errors of [World.Hears].
func (p *Process) Listener() Listener { return Listener{p} }

// Listen begins to listen, and has heard everything at once. Refused is closed if an error is among
// it.
func (l Listener) Listen(ctx context.Context, to kernel.Ends) (listening kernel.Listening, err error) {
	err = l.call(ctx, "Listen", func() error {
		heard := kernel.Heard{}
		if l.Hears != nil {
			heard = l.Hears(to)
		}
		refused := make(chan struct{})
		if len(heard.Errors) > 0 {
			close(refused)
		}
		listening = heardAll{heard, refused}
		return nil
	})
	return listening, err
}

// Together counts as a call. Each listening hears its own tunnel alone.
func (l Listener) Together([]kernel.Ends) (kernel.Listener, func()) {
	_ = l.call(context.Background(), "ListenTogether", func() error { return nil })
	return l, func() {}
}

// heardAll is a [kernel.Listening] that has heard everything already.
type heardAll struct {
	heard   kernel.Heard
	refused chan struct{}
}

func (h heardAll) Refused() <-chan struct{} { return h.refused }

func (h heardAll) Stop() kernel.Heard { return h.heard }
