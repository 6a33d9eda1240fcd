package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A session that ends sends SIGHUP and SIGTERM, and more than once. The first ends the command's
// context; the others must not end the process, which undoes its change. That is another process
// here, which undoes until its input ends.
func TestSignalsDoNotStopTheUndo(t *testing.T) {
	if os.Getenv("NMGRE_TEST_UNDOES") != "" {
		ctx, _ := untilTold()
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("undoing")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSignalsDoNotStopTheUndo$")
	cmd.Env = append(os.Environ(), "NMGRE_TEST_UNDOES=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	for _, step := range []struct {
		line string
		send []syscall.Signal
	}{{"ready", []syscall.Signal{syscall.SIGHUP}}, {"undoing", []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTERM}}} {
		for lines.Scan() && lines.Text() != step.line {
		}
		for _, sig := range step.send {
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the undo was ended: %v", err)
	}
}
