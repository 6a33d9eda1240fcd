package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// A session that ends sends SIGHUP and SIGTERM, and more than once. The first ends the command's
// context; the others must not end the process, which undoes its change. Here that is the test's.
func TestSignalsDoNotStopTheUndo(t *testing.T) {
	ctx, stop := untilTold()
	defer stop()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("the context does not end")
		}
		time.Sleep(50 * time.Millisecond) // by default the signal would end the process now
	}
}
