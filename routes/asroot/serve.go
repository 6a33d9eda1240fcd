package asroot

import (
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
	// maxProgress is how many lines of progress fit into a pipe that nobody reads. Other processes
	// may wait for the helper, so it must never wait for its caller.
	maxProgress = 1000
)

// Carry carries out a request that [ReadRequest] accepted. It has to check whether it is permitted.
type Carry func(ctx context.Context, r Request, progress func(done, total int)) (keep.Converged, error)

// Serve is the helper's side. It reads one request from in, calls carry with it, writes the answer
// to out, and returns the error of the reading, of carry or of the writing. If in is a socket,
// carry's context ends when the caller closes its end, because it was interrupted or killed.
func Serve(ctx context.Context, in io.Reader, out io.Writer, carry Carry) error {
	if _, err := fmt.Fprintln(out, answerMark); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	ctx, stop := untilHangup(ctx, in)
	defer stop()
	var c keep.Converged
	r, err := readInTime(ctx, in)
	if err == nil {
		c, err = carry(ctx, r, progressTo(out))
	}
	result := encodeResult(c, err)
	if err == nil && r.Verb.tries() {
		err = writeLine(out, messageJSON{Result: &result})
		c, endErr := verdict(ctx, in, carry, r)
		err, result = errors.Join(err, endErr), encodeResult(c, endErr)
	}
	return errors.Join(err, writeLine(out, messageJSON{Result: &result}))
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

// progressTo returns a function that writes progress to out, now and then.
func progressTo(out io.Writer) func(done, total int) {
	var last time.Time
	told := 0
	return func(done, total int) {
		if told == maxProgress || time.Since(last) < progressEvery && done < total {
			return
		}
		last = time.Now()
		told++
		// A caller that does not listen is no reason to stop in the middle.
		_ = writeLine(out, messageJSON{Progress: &progressJSON{done, total}})
	}
}

func writeLine(out io.Writer, m messageJSON) error {
	line, err := json.Marshal(m)
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

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
