package canvas

import (
	"errors"
	"io"
	"sync"
	"time"
)

// mostPending bounds the text that waits to be written, in bytes: a hundred full frames.
const mostPending = 1 << 20

// errFull says that the terminal has not taken enough of the earlier text.
var errFull = errors.New("the terminal takes nothing more")

// Writer writes to a terminal, and never waits for it. A terminal stands still when its flow is
// stopped, or when a connection is dead: neither the screen nor an undo may wait for that.
type Writer struct {
	out io.Writer

	mu      sync.Mutex
	pending []byte
	idle    chan struct{} // closed when everything is written; nil while nothing is
}

// NewWriter returns a Writer to out.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Write takes all of p, or nothing if too much is waiting. It returns at once.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending)+len(p) > mostPending {
		return 0, errFull
	}
	w.pending = append(w.pending, p...)
	if w.idle == nil {
		w.idle = make(chan struct{})
		go w.write()
	}
	return len(p), nil
}

// write hands over the pending text until there is none.
func (w *Writer) write() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.pending) > 0 {
		now := w.pending
		w.pending = nil
		w.mu.Unlock()
		_, _ = w.out.Write(now) // a terminal that has gone ends the input too
		w.mu.Lock()
	}
	close(w.idle)
	w.idle = nil
}

// Flush waits until the terminal has taken everything, but no longer than limit.
func (w *Writer) Flush(limit time.Duration) {
	w.mu.Lock()
	idle := w.idle
	w.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
