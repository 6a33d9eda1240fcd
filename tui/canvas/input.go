package canvas

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/muesli/cancelreader"
)

// maxLine bounds a line that is typed, in bytes.
const maxLine = 4096

// Input is the keys that a terminal's person types. One reader has it at a time: the screen, by
// Read, or while that is paused whoever has the terminal to itself, such as a program that asks for
// a password. It is read in turns, so no byte of a password reaches the screen.
type Input struct {
	in io.Reader

	mu      sync.Mutex
	reader  cancelreader.CancelReader // the screen's; nil while it is paused
	resumed chan struct{}             // closed when it is no longer paused
	closed  bool

	reading chan struct{} // has room for one: full while the screen reads
}

// pauseLimit is how long the screen may take to let go of a terminal that does not answer.
const pauseLimit = time.Second

// NewInput returns the input of a terminal. It is paused at first.
func NewInput(in io.Reader) *Input {
	return &Input{in: in, resumed: make(chan struct{}), reading: make(chan struct{}, 1)}
}

// Read reads for the screen. It waits while the input is paused, and returns io.EOF once it is
// closed.
func (i *Input) Read(p []byte) (int, error) {
	for {
		i.mu.Lock()
		reader, resumed, closed := i.reader, i.resumed, i.closed
		i.mu.Unlock()
		if closed {
			return 0, io.EOF
		}
		if reader == nil {
			<-resumed
			continue
		}
		i.reading <- struct{}{}
		n, err := reader.Read(p)
		<-i.reading
		if !errors.Is(err, cancelreader.ErrCanceled) {
			return n, err
		}
	}
}

// Resume lets the screen read.
func (i *Input) Resume() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.reader != nil || i.closed {
		return nil
	}
	reader, err := cancelreader.NewReader(i.in)
	if err != nil {
		return err
	}
	i.reader = reader
	close(i.resumed)
	return nil
}

// Pause returns when the screen no longer reads.
func (i *Input) Pause() {
	i.mu.Lock()
	reader := i.reader
	if reader != nil {
		i.reader, i.resumed = nil, make(chan struct{})
	}
	i.mu.Unlock()
	if reader == nil || !reader.Cancel() {
		return
	}
	limit := time.NewTimer(pauseLimit)
	defer limit.Stop()
	select {
	case i.reading <- struct{}{}:
		_ = reader.Close() // it has read its last
		<-i.reading
	case <-limit.C:
	}
}

// Close ends the input: Read returns io.EOF.
func (i *Input) Close() {
	i.Pause()
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.closed {
		i.closed = true
		close(i.resumed)
	}
}

// Line reads one line while the screen is paused. It returns an error when ctx ends, or the input.
func (i *Input) Line(ctx context.Context) (string, error) {
	reader, err := cancelreader.NewReader(i.in)
	if err != nil {
		return "", err
	}
	defer func() { _ = reader.Close() }()
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(reader, maxLine)).ReadString('\n')
		answers <- answer{line, err}
	}()
	select {
	case got := <-answers:
		return got.line, got.err
	case <-ctx.Done():
	}
	if reader.Cancel() {
		<-answers
	}
	return "", ctx.Err()
}
