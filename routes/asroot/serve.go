package asroot

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Limits of the helper.
const (
	readTimeout   = time.Minute            // for the whole request
	lookEvery     = 20 * time.Millisecond  // between two looks whether the caller is still there
	progressEvery = 100 * time.Millisecond // between two lines of progress
	// maxProgress is how many lines of progress fit into a pipe that nobody reads, and leave room
	// for the result: a caller who was stopped finds it when it goes on.
	maxProgress  = 1000
	helloTimeout = 100 * time.Millisecond // for a caller who does not read from the start
	// answerTimeout is how long the helper waits for a caller who does not read the end of its
	// answer. It holds no lock then.
	answerTimeout = 10 * time.Second
)

// Carry carries out a request that [ReadRequest] accepted. It has to check whether it is permitted.
type Carry func(ctx context.Context, r Request, progress func(done, total int)) (keep.Converged, error)

// Helper is the helper's side of one request.
type Helper struct {
	In       io.Reader
	Out      io.Writer
	Question Question // its command line, which polkit has asked about
	Files    Files    // root's files; nil for none
	Carry    Carry

	timeout time.Duration // for the end of the answer; 0 for answerTimeout
}

// Files has root's file of each tunnel.
type Files interface {
	Get(ctx context.Context, uuid string) (keep.Kept, error)
}

// Serve reads one request from In, calls Carry with it, writes the answer to Out, and returns the
// error of the reading, of Carry or of the writing. It carries out no request that Question does
// not cover. If In is a socket, Carry's context ends when the caller closes its end, because it was
// interrupted or killed. Carry never waits for the caller: one who does not read gets no progress.
func (h Helper) Serve(ctx context.Context) error {
	out, timeout := newAnswer(h.Out), cmp.Or(h.timeout, answerTimeout)
	if err := out.begin([]byte(answerMark+"\n"), helloTimeout); err != nil {
		return err
	}
	ctx, stop := untilHangup(ctx, h.In)
	defer stop()
	var c keep.Converged
	r, err := readInTime(ctx, h.In)
	if err == nil {
		err = h.Question.Covers(ctx, r, h.Files)
	}
	// r itself is not needed once it is carried out: its very many routes make room for others.
	tries, tunnel := r.Verb.tries(), r.Tunnel()
	if err == nil {
		c, err = h.Carry(ctx, r, progressTo(out))
	}
	result := encodeResult(c, err)
	if err == nil && tries {
		err = out.say(result, timeout)
		c, endErr := h.verdict(ctx, tunnel, err)
		err, result = errors.Join(err, endErr), encodeResult(c, endErr)
	}
	return errors.Join(err, out.end(result, timeout))
}

// readInTime reads the request while the caller is there, at most a minute. A read cannot be
// interrupted: one that does not end is left behind, and ends with the process.
func readInTime(ctx context.Context, in io.Reader) (Request, error) {
	type read struct {
		r   Request
		err error
	}
	done := make(chan read, 1)
	go func() {
		r, err := ReadRequest(in)
		done <- read{r, err}
	}()
	limit := time.NewTimer(readTimeout)
	defer limit.Stop()
	select {
	case got := <-done:
		if err := ctx.Err(); err != nil {
			return Request{}, err
		}
		return got.r, got.err
	case <-ctx.Done():
		return Request{}, ctx.Err()
	case <-limit.C:
		return Request{}, &fault.Error{Kind: fault.ErrTimeout, What: "the request does not end"}
	}
}

// progressTo returns a function that offers progress to the caller, now and then.
func progressTo(out *answer) func(done, total int) {
	var last time.Time
	told := 0
	return func(done, total int) {
		if told == maxProgress || time.Since(last) < progressEvery && done < total {
			return
		}
		line, err := jsonLine(messageJSON{Progress: &progressJSON{done, total}})
		if err == nil && out.offer(line) {
			last = time.Now()
			told++
		}
	}
}

func jsonLine(m messageJSON) ([]byte, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return append(line, '\n'), nil
}

// answer writes lines to a caller who may not read them, in a goroutine of its own: a write to a
// full pipe, or to a stopped terminal, does not end.
type answer struct {
	lines chan []byte
	first chan error // has the outcome of the first line
	done  chan struct{}
	err   error // of the writing; to be read when done is closed
}

func newAnswer(out io.Writer) *answer {
	a := &answer{lines: make(chan []byte, 1), first: make(chan error, 1), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for line := range a.lines {
			if _, err := out.Write(line); err != nil && a.err == nil {
				a.err = fmt.Errorf("answer: %w", err)
			}
			select {
			case a.first <- a.err:
			default: // it is not the first
			}
		}
	}()
	return a
}

// begin writes the first line. It fails if the caller is gone. For one who does not read it waits
// for limit at most.
func (a *answer) begin(line []byte, limit time.Duration) error {
	a.lines <- line
	select {
	case err := <-a.first:
		return err
	case <-time.After(limit):
		return nil
	}
}

// offer has the line written if the lines before it are, and reports whether it does.
func (a *answer) offer(line []byte) bool {
	select {
	case a.lines <- line:
		return true
	default:
		return false
	}
}

// say writes a result, and waits for limit at most that the lines before it are written.
func (a *answer) say(result resultJSON, limit time.Duration) error {
	line, err := jsonLine(messageJSON{Result: &result})
	if err != nil {
		return err
	}
	select {
	case a.lines <- line:
		return nil
	case <-time.After(limit):
		return errUnread
	}
}

// end writes the last result, and waits until all is written, or for limit at most.
func (a *answer) end(result resultJSON, limit time.Duration) error {
	if err := a.say(result, limit); err != nil {
		close(a.lines)
		return err
	}
	return a.close(limit)
}

// close waits until all is written, or for limit at most.
func (a *answer) close(limit time.Duration) error {
	close(a.lines)
	select {
	case <-a.done:
		return a.err
	case <-time.After(limit):
		return errUnread
	}
}

// Impatient returns a writer to w that gives up after answerTimeout: the reader may have stopped.
func Impatient(w io.Writer) io.Writer { return impatient{w} }

type impatient struct{ w io.Writer }

func (i impatient) Write(p []byte) (int, error) {
	out := newAnswer(i.w)
	out.lines <- bytes.Clone(p)
	if err := out.close(answerTimeout); err != nil {
		return 0, err
	}
	return len(p), nil
}

var errUnread = &fault.Error{Kind: fault.ErrTimeout, What: "answer: the caller does not read it"}

// untilHangup returns a context that ends when the other end of a socket is closed for good. It
// does not end when the caller only shuts down its sending side, which ends the request.
func untilHangup(ctx context.Context, in io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	file, ok := in.(*os.File)
	if !ok || !isSocket(file) {
		return ctx, cancel
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil && !hungUp(file) {
		}
		cancel()
	}()
	return ctx, func() { cancel(); <-ended }
}

func isSocket(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode().Type() == os.ModeSocket
}

// hungUp waits a moment, and reports whether the other end is closed.
func hungUp(file *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(file.Fd())}} //nolint:gosec // a descriptor
	_, err := unix.Poll(fds, int(lookEvery.Milliseconds()))
	return err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}
