package main

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/testdata/lab"
)

// firstScreen returns when the screen of nmgre is there, and when the tunnels are in it.
func firstScreen(b *testing.B, host lab.Host) (frame, list time.Duration) {
	b.Helper()
	ours, theirs := openPTY(b)
	defer ours.Close()
	if err := unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		b.Fatal(err)
	}
	cmd := host.Command("nmgre")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LANG=C.UTF-8")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	theirs.Close()
	var out bytes.Buffer
	buffer := make([]byte, 8192)
	for list == 0 {
		n, err := ours.Read(buffer)
		out.Write(buffer[:n])
		if frame == 0 && bytes.Contains(out.Bytes(), []byte("Tunnels")) {
			frame = time.Since(begin)
		}
		if bytes.Contains(out.Bytes(), []byte("many1 ")) {
			list = time.Since(begin)
		}
		if err != nil {
			b.Fatalf("%v: %q", err, out.Bytes())
		}
	}
	go func() { // what it writes at its end must go somewhere
		for {
			if _, err := ours.Read(buffer); err != nil {
				return
			}
		}
	}()
	if _, err := ours.WriteString("q"); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return frame, list
}

// The first screen with a thousand tunnels, and when they are in it against nmcli's list of the same.
func BenchmarkLabFirstScreen(b *testing.B) {
	const most = 500 * time.Millisecond
	lab.Need(b)
	addProfiles(b, 1000)
	defer lab.Linux1.Reset(b)
	for b.Loop() {
		var frames []time.Duration
		var ours, theirs []run
		for range rounds {
			frame, list := firstScreen(b, lab.Linux1)
			frames = append(frames, frame)
			ours = append(ours, run{took: list})
			theirs = append(theirs, measure(b, lab.Linux1, "nmcli -t connection show"))
		}
		slices.Sort(frames)
		first := frames[len(frames)/2]
		b.ReportMetric(first.Seconds()*1000, "ms/first-screen")
		b.Logf("first screen: %s (at most %s)", first, most)
		if first > most {
			b.Errorf("the first screen took %s", first)
		}
		report(b, "tunnels on the screen wall time", "ms", ours, theirs, wall, 0.3)
	}
}
