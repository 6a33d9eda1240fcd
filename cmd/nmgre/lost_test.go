package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
)

// A command whose output gets lost, as on a full disk, has failed: whatever it prints, and by
// whichever package.
func TestLostOutput(t *testing.T) {
	w := newWorld(t)
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.100.1/30", "--no-probe", "--route", "10.20.0.0/16 metric 50")
	document := w.root + "/document.yaml"
	if err := os.WriteFile(document, []byte(w.must("export").stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"list", "list --json", "show gre1", "show gre1 --json", "show gre1 --as ip", "route list gre1", "rule list gre1", "rule list gre1 --json",
		"verify gre1 --no-probe", "verify --all --no-probe --json", "doctor", "doctor --json", "version", "version --json", "--version", "export",
		"plan -f " + document, "apply --check -f " + document, "apply --check --diff -f " + document, "apply -f " + document, "apply --schema",
		"help", "help routes", "help create", "create --help", "route add --help", "--help", "completion bash", "completion zsh", "completion fish",
		"create --dry-run --peer 100.0.3.100 --address 172.16.9.1/30", "create --no-probe --json --peer 100.0.3.100 --address 172.16.9.1/30",
		"--plain", "edit gre1 --mtu 1400 --dry-run", "edit gre1 --mtu 1400 --no-probe", "up gre1 --json", "down gre1 --json",
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		a := &app{stdin: strings.NewReader("quit\n"), stdout: full, stderr: &stderr, root: w.root, owner: os.Getuid(), open: w.open, bus: w.bus.Address()}
		code, said := a.run(strings.Fields(line)), stderr.String()
		if code != exitFailed || strings.Count(said, "not all of the output could be written") != 1 || !strings.Contains(said, "no space left on device") {
			t.Errorf("%s: exit %d: %s", line, code, said)
		}
		full.Close()
	}
}

// Whose reader has enough says nothing about it, and ends as a shell knows it. The change is made.
func TestUnreadOutput(t *testing.T) {
	if line := os.Getenv("NMGRE_TEST_UNREAD"); line != "" {
		main := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, root: t.TempDir(), ignore: signal.Ignore, exits: true}
		os.Exit(main.run(strings.Fields(line)))
	}
	for _, line := range []string{"help routes", "create --help", "apply --schema", "version --json"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		cmd := exec.Command(os.Args[0], "-test.run=^TestUnreadOutput$")
		cmd.Env = append(os.Environ(), "NMGRE_TEST_UNREAD="+line)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = write, &stderr
		_ = cmd.Run() // its exit code is looked at
		write.Close()
		if code := cmd.ProcessState.ExitCode(); code != exitUnread || stderr.Len() != 0 {
			t.Errorf("%s: %s: %s", line, cmd.ProcessState, stderr.String())
		}
	}
}
