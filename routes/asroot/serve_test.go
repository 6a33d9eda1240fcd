package asroot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

func refuseAll(context.Context, Request, func(done, total int)) (keep.Converged, error) {
	return keep.Converged{}, errBroken
}

// A text that is not a request is not carried out. The refusal is in the answer, and is the error.
func TestServeRefuses(t *testing.T) {
	var b bytes.Buffer
	err := Serve(t.Context(), strings.NewReader("rm -rf /\n"), &b, func(context.Context, Request, func(done, total int)) (keep.Converged, error) {
		t.Error("it was carried out")
		return keep.Converged{}, nil
	})
	if !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
	hello, _, results, bad := heard(b.String())
	if !hello || len(results) != 1 || bad != nil {
		t.Fatalf("%q: %v", b.String(), bad)
	}
	if _, told := results[0].decode(); !errors.Is(told, fault.ErrInvalid) || told.Error() != err.Error() {
		t.Errorf("told %v, returned %v", told, err)
	}
}

// It is an error when the answer cannot be written. Nothing is done for a caller who is gone from
// the start.
func TestServeWithoutAListener(t *testing.T) {
	r, w := io.Pipe()
	_ = r.Close()
	if err := Serve(t.Context(), strings.NewReader("nmgre-request 1 converge\n"), w, refuseAll); err == nil || errors.Is(err, errBroken) {
		t.Error(err)
	}
}

// pair is the two ends of a socket: the caller's, and the file that is the helper's standard input.
func pair(t *testing.T) (*net.UnixConn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	conn, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = ours.Close(), conn.Close(), theirs.Close() })
	_ = ours.Close()
	return conn.(*net.UnixConn), theirs
}

// The end of the request does not interrupt the work. The end of the caller does.
func TestServeUntilTheCallerIsGone(t *testing.T) {
	conn, stdin := pair(t)
	began := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(t.Context(), stdin, io.Discard, func(ctx context.Context, _ Request, _ func(done, total int)) (keep.Converged, error) {
			close(began)
			<-ctx.Done()
			return keep.Converged{}, ctx.Err()
		})
	}()
	_, _ = conn.Write([]byte("nmgre-request 1 converge\n"))
	_ = conn.CloseWrite()
	<-began
	select {
	case err := <-ended:
		t.Fatalf("it ended at once: %v", err)
	case <-time.After(10 * lookEvery):
	}
	_ = conn.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it did not end")
	}
}

// When a caller goes away in the middle of the request, nothing is done.
func TestServeCutShort(t *testing.T) {
	for _, sent := range []string{"", "nmgre-req", "nmgre-request 1 keep 1000\nversion 1\n"} {
		conn, stdin := pair(t)
		_, _ = conn.Write([]byte(sent))
		_ = conn.Close()
		err := Serve(t.Context(), stdin, io.Discard, refuseAll)
		if err == nil || errors.Is(err, errBroken) {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

// A caller who sends nothing does not hold the helper for ever, nor past its context.
func TestServeWaitsForARequest(t *testing.T) {
	_, stdin := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Serve(ctx, stdin, io.Discard, refuseAll); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Progress never fills the pipe of a caller who does not read.
func TestProgressIsBounded(t *testing.T) {
	var b bytes.Buffer
	told := progressTo(&b)
	for range 100 * maxProgress {
		told(5, 5)
	}
	if b.Len() > 64<<10 {
		t.Errorf("%d bytes", b.Len())
	}
}
