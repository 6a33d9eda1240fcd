package canvas

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// typing returns an input and the end at which a person types.
func typing(t *testing.T) (*Input, *os.File) {
	t.Helper()
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close() })
	return NewInput(theirs), ours
}

// The screen reads nothing while the input is paused: those bytes are another's.
func TestInputIsReadInTurns(t *testing.T) {
	in, keys := typing(t)
	read := make(chan string, 10)
	go func() {
		buffer := make([]byte, 100)
		for {
			n, err := in.Read(buffer)
			if err != nil {
				close(read)
				return
			}
			read <- string(buffer[:n])
		}
	}()
	keys.WriteString("secret\n")
	if line, err := in.Line(t.Context()); line != "secret\n" || err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
	for range 3 {
		if err := in.Resume(); err != nil {
			t.Fatal(err)
		}
		keys.WriteString("key")
		if got := <-read; got != "key" {
			t.Fatalf("the screen read %q", got)
		}
		in.Pause()
		in.Pause()
		keys.WriteString("another\n")
		if line, err := in.Line(t.Context()); line != "another\n" || err != nil {
			t.Fatalf("read %q, %v", line, err)
		}
	}
	in.Close()
	in.Close()
	if got, more := <-read; more {
		t.Errorf("after the end the screen read %q", got)
	}
	if err := in.Resume(); err != nil {
		t.Error(err)
	}
}

// A line that nobody types ends with its time, and takes nothing that is typed later.
func TestLineHasItsTime(t *testing.T) {
	in, keys := typing(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if line, err := in.Line(ctx); line != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("read %q, %v", line, err)
	}
	keys.WriteString("late\n")
	if line, err := in.Line(t.Context()); line != "late\n" || err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
	keys.Close()
	if _, err := in.Line(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}
