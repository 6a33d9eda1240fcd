package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/cmd/nmgre/release"
)

// buildProduct builds nmgre and returns its path.
func buildProduct(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "nmgre")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// openPTY makes a pseudoterminal and returns the test's end and the program's.
func openPTY(t testing.TB) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetUint32(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// On a terminal that answers no queries, a plain command is quick and writes only its text.
func TestPlainCommandAsksTheTerminalNothing(t *testing.T) {
	binary := buildProduct(t)
	ours, theirs := openPTY(t)
	defer ours.Close()
	cmd := exec.Command(binary, "version")
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("nmgre version took %s", took)
	}
	theirs.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(ours) // ends with EIO when the other side is closed
	if bytes.ContainsRune(out.Bytes(), '\x1b') || !bytes.Contains(out.Bytes(), []byte("nmgre "+release.Version)) {
		t.Errorf("it wrote %q", out.Bytes())
	}
}
