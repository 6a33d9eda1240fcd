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
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

func refuseAll(context.Context, Request, func(done, total int)) (keep.Converged, error) {
	return keep.Converged{}, errBroken
}

// serve is a helper that polkit was asked about all tunnels.
func serve(ctx context.Context, in io.Reader, out io.Writer, carry Carry) error {
	return Helper{In: in, Out: out, Question: Question{wordAll, wordConverge}, Carry: carry, timeout: time.Second}.Serve(ctx)
}

// A text that is not a request is not carried out. The refusal is in the answer, and is the error.
func TestServeRefuses(t *testing.T) {
	var b bytes.Buffer
	err := serve(t.Context(), strings.NewReader("rm -rf /\n"), &b, func(context.Context, Request, func(done, total int)) (keep.Converged, error) {
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
	if err := serve(t.Context(), strings.NewReader("nmgre-request 2 converge\n"), w, refuseAll); err == nil || errors.Is(err, errBroken) {
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
		ended <- serve(t.Context(), stdin, io.Discard, func(ctx context.Context, _ Request, _ func(done, total int)) (keep.Converged, error) {
			close(began)
			<-ctx.Done()
			return keep.Converged{}, ctx.Err()
		})
	}()
	_, _ = conn.Write([]byte("nmgre-request 2 converge\n"))
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
	for _, sent := range []string{"", "nmgre-req", "nmgre-request 2 keep 1000 none\nversion 1\n"} {
		conn, stdin := pair(t)
		_, _ = conn.Write([]byte(sent))
		_ = conn.Close()
		err := serve(t.Context(), stdin, io.Discard, refuseAll)
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
	if err := serve(ctx, stdin, io.Discard, refuseAll); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Progress never fills the pipe of a caller who does not read: the result still fits.
func TestProgressIsBounded(t *testing.T) {
	var b bytes.Buffer
	out := newAnswer(&b)
	told := progressTo(out)
	for range 3 * maxProgress {
		told(5, 5)
		time.Sleep(time.Microsecond)
	}
	if err := out.close(time.Minute); err != nil || b.Len() > 60<<10 {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
}

// stuck is an output that nobody reads.
type stuck struct{ open chan struct{} }

func (s stuck) Write(p []byte) (int, error) { <-s.open; return len(p), nil }

// A caller who does not read holds up neither the work nor, for long, the helper.
func TestServeForACallerWhoDoesNotRead(t *testing.T) {
	out := stuck{make(chan struct{})}
	defer close(out.open)
	carried, begin := time.Duration(0), time.Now()
	err := serve(t.Context(), strings.NewReader("nmgre-request 2 converge\n"), out, func(_ context.Context, _ Request, progress func(done, total int)) (keep.Converged, error) {
		for range 10_000 {
			progress(1, 1)
		}
		carried = time.Since(begin)
		return keep.Converged{}, nil
	})
	if !errors.Is(err, fault.ErrTimeout) || carried == 0 || carried > 900*time.Millisecond {
		t.Errorf("carried out after %s, %v", carried, err)
	}
}

// A real pipe that is full, whose reader comes late, has the whole answer in the end.
func TestServeForALateReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const page = 4096
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, page); err != nil {
		t.Fatal(err)
	}
	filled := strings.Repeat(" ", page-1) + "\n"
	if _, err := io.WriteString(w, filled); err != nil {
		t.Fatal(err)
	}
	carried, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- Helper{In: strings.NewReader("nmgre-request 2 converge\n"), Out: w, Question: Question{wordAll, wordConverge},
			Carry: func(_ context.Context, _ Request, progress func(done, total int)) (keep.Converged, error) {
				for range 10_000 {
					progress(1, 1)
				}
				close(carried)
				return keep.Converged{Trouble: []string{strings.Repeat("x", 2*page)}}, nil
			}}.Serve(t.Context())
		_ = w.Close()
	}()
	<-carried // though nobody reads
	said, err := io.ReadAll(r)
	if err := errors.Join(err, <-served); err != nil {
		t.Fatal(err)
	}
	hello, _, results, err := heard(strings.TrimPrefix(string(said), filled))
	if !hello || len(results) != 1 || err != nil || len(results[0].Trouble[0]) != 2*page {
		t.Errorf("%d results, %v", len(results), err)
	}
}

// Impatient does not wait for ever for a reader of errors.
func TestImpatient(t *testing.T) {
	var b bytes.Buffer
	if n, err := Impatient(&b).Write([]byte("nmgre: x\n")); n != 9 || err != nil || b.String() != "nmgre: x\n" {
		t.Errorf("%d, %v, %q", n, err, b.String())
	}
	synctest.Test(t, func(t *testing.T) {
		out := stuck{make(chan struct{})}
		if _, err := Impatient(out).Write([]byte("x")); !errors.Is(err, fault.ErrTimeout) {
			t.Error(err)
		}
		close(out.open)
	})
}
