package tui

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/tui/tuitest"
)

func talkPlain(t *testing.T, f *tuitest.Host, input ...string) (out, talk string, err error) {
	t.Helper()
	return talkWithNames(t, f, routes.Names{}, input...)
}

func talkWithNames(t *testing.T, f *tuitest.Host, names routes.Names, input ...string) (out, talk string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	text := strings.Join(input, "\n") + "\n"
	if len(input) == 0 {
		text = ""
	}
	err = Plain(context.Background(), fake{f}, Options{Names: func() routes.Names { return names }}, Terminal{In: strings.NewReader(text), Out: &stdout, Err: &stderr})
	for _, r := range stdout.String() + stderr.String() {
		if r > 126 || r == 0x1b {
			t.Errorf("%q is written, which a screen reader would read aloud", r)
		}
	}
	return stdout.String(), stderr.String(), err
}

// answersOf are the answers to every question of a new tunnel, in their order.
func answersOf(peer, address, route string) []string {
	return []string{"new", "", peer, "", "", "", // the other end, far end, mode, local, name
		"3", address, "", "", // network of one's own, address, the far end's, more
		"", "", "", "", "", "", // keys, mtu, ttl, tos, path MTU discovery, bound to
		"", "", "", "", "", "", // multicast, DF bit, checksums, sequence numbers, at boot, probed
		route, "", "", // a route, no other, and no rule
		"", "", ""} // forward, clamp, snat
}

// The same questions, line by line, make the same tunnel.
func TestPlainMakesATunnel(t *testing.T) {
	f := tuitest.New()
	out, talk, err := talkPlain(t, f, append(answersOf("100.0.2.100", "172.16.0.1/30", "10.10.2.0/24"), "yes", "quit")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	if !f.Saw("create nmgre create --name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.0.1/30 --mtu 1476 --route 10.10.2.0/24") {
		t.Errorf("calls: %q\n%s", f.Calls, talk)
	}
	for _, want := range []string{"reached by eth0 via 100.0.1.1", "held by NetworkManager, in the profile", "1. add the profile gre1", "brought it up (12ms)"} {
		if !strings.Contains(talk, want) {
			t.Errorf("it did not say %q:\n%s", want, talk)
		}
	}
	for _, want := range []string{"warn probe: the far end does not answer", "verdict: warn", "far end: nmgre create --peer 100.0.1.100",
		"way: this host: ready, its firewall: passes, the way: here or later (likely), the far firewall: not known"} {
		if !strings.Contains(out, want) {
			t.Errorf("it did not print %q:\n%s", want, out)
		}
	}
}

// A route may have the host's own names.
func TestPlainKnowsTheHostsNames(t *testing.T) {
	f := tuitest.New()
	names := routes.Names{Tables: map[string]uint32{"vpn": 100}}
	_, talk, err := talkWithNames(t, f, names, append(answersOf("100.0.2.100", "172.16.0.1/30", "10.10.2.0/24 table vpn"), "yes", "quit")...)
	if err != nil || !f.Saw("create nmgre create --name gre1 --peer 100.0.2.100 --local 100.0.1.100 --address 172.16.0.1/30 --mtu 1476 --route '10.10.2.0/24 table 100'") {
		t.Errorf("%v, calls %q\n%s", err, f.Calls, talk)
	}
}

// An answer that is not valid is asked for again. An empty one takes the value in brackets.
func TestPlainAsksAgain(t *testing.T) {
	f := tuitest.New()
	answers := answersOf("100.0.2.100", "172.16.0.1/30", "10.10.2.0/24")
	answers = append([]string{answers[0], "", "100.0.2.300"}, answers[2:]...)
	_, talk, err := talkPlain(t, f, append(answers, "maybe", "no", "quit")...)
	if err != nil || f.Saw("create") {
		t.Errorf("%v, calls %q", err, f.Calls)
	}
	if strings.Contains(talk, "[100.0.2.300]") {
		t.Errorf("the refused value is offered as the default:\n%s", talk)
	}
	for _, want := range []string{`Not valid: "100.0.2.300" is not an IP address (give the far end's outer address`, "Type yes or no.", "empty: the first free one of gre1, gre2, ..."} {
		if !strings.Contains(talk, want) {
			t.Errorf("it did not say %q:\n%s", want, talk)
		}
	}
}

// A choice that is refused is no default either: an empty line takes the one before.
func TestPlainRefusedChoice(t *testing.T) {
	f := tuitest.New()
	answers := answersOf("100.0.2.100", "172.16.0.1/30", "10.10.2.0/24")
	answers[5] = "eth0"                                                // its name, and the device that it is bound to
	answers = append(append(answers[:15:15], "eth0"), answers[15:]...) // behind path MTU discovery
	_, talk, err := talkPlain(t, f, append(answers, "yes", "quit")...)
	if err != nil || !strings.Contains(talk, "Not valid: the tunnel cannot be its own parent") || !f.Saw("create nmgre create --name eth0") || f.Saw("--parent") {
		t.Errorf("%v, calls %q\n%s", err, f.Calls, talk)
	}
}

// The other end is made over ssh, too: at the address that this end has, or at another name.
func TestPlainPairs(t *testing.T) {
	for answer, at := range map[string]string{"": "100.0.2.100", "ann@linux2": "ann@linux2"} {
		f := tuitest.New().WithTunnels()
		_, talk, err := talkPlain(t, f, "far", "gre1", "pair", "gre1", answer, "quit")
		if err != nil || f.PairedAt != at || !strings.Contains(talk, "Type pair to have that end made over ssh.") {
			t.Errorf("at %q: %v\n%s", f.PairedAt, err, talk)
		}
	}
	f := tuitest.New().WithTunnels()
	f.PairErr = &fault.Error{What: "sudo asks for a password", Hint: "log in as root"}
	if _, talk, err := talkPlain(t, f, "pair", "gre1", "", "quit"); err != nil || !strings.Contains(talk, "It failed: sudo asks") || !strings.Contains(talk, "hint: log in as root") {
		t.Errorf("%v\n%s", err, talk)
	}
}

// The end of the input aborts wherever it comes, and nothing is made.
func TestPlainEndOfInputAborts(t *testing.T) {
	answers := append(answersOf("100.0.2.100", "172.16.0.1/30", "10.10.2.0/24"), "yes")
	for n := range len(answers) {
		f := tuitest.New()
		_, talk, err := talkPlain(t, f, answers[:n]...)
		if !errors.Is(err, errEnded) || f.Saw("create") {
			t.Errorf("after %d answers: %v, calls %q\n%s", n, err, f.Calls, talk)
		}
	}
}

func TestPlainActs(t *testing.T) {
	f := tuitest.New().WithTunnels()
	out, talk, err := talkPlain(t, f, "down", "gre1", "yes", "up", "gre1", "verify", "gre2", "show", "gre2", "far", "gre2", "dance", "up", "nobody", "delete", "gre6", "yes", "quit")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"down " + tuitest.UUID(1), "up " + tuitest.UUID(1), "verify " + tuitest.UUID(2), "delete " + tuitest.UUID(5)} {
		if !f.Saw(want) {
			t.Errorf("calls: %q lack %q", f.Calls, want)
		}
	}
	for _, want := range []string{"Packets to 10.10.100.0/24 no longer go through gre1.", "There is no dance", `no tunnel has the name "nobody"`, "This is lost:"} {
		if !strings.Contains(talk, want) {
			t.Errorf("it did not say %q:\n%s", want, talk)
		}
	}
	for _, want := range []string{"gre1 active 100.0.1.100 -> 100.0.2.100", "key out: profile 42, link 43 (differs)", "far end: nmgre create --peer 100.0.1.100"} {
		if !strings.Contains(out, want) {
			t.Errorf("it did not print %q:\n%s", want, out)
		}
	}
}

func TestPlainEdits(t *testing.T) {
	f := tuitest.New().WithTunnels()
	_, talk, err := talkPlain(t, f, "edit", "gre1", "", "", // far end, local
		"", "", "", // addresses
		"", "1400", "", "", "", "", "", "", "", "", "", "", // options
		"", "", "", "", "", "", "yes", "quit")
	if err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	if f.Tunnels[0].Tunnel.MTU != 1400 {
		t.Errorf("mtu %d\n%s", f.Tunnels[0].Tunnel.MTU, talk)
	}
}

// A failure is shown, and the conversation goes on.
func TestPlainFailure(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.Err = tuitest.ErrDenied
	_, talk, err := talkPlain(t, f, "up", "paris-backup", "quit")
	if err != nil || !strings.Contains(talk, "It failed: NetworkManager does not let you do that") || !strings.Contains(talk, "hint: run it with sudo") {
		t.Errorf("%v\n%s", err, talk)
	}
}

// Who may change nothing is told so before the first question.
func TestPlainWithoutRights(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.Modify = nm.PermissionNo
	if _, talk, err := talkPlain(t, f, "quit"); err != nil || !strings.HasPrefix(talk, withoutRights+"\n") {
		t.Errorf("%v\n%s", err, talk)
	}
}

func TestPlainWithoutNetworkManager(t *testing.T) {
	f := tuitest.New()
	f.ListErr = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "NetworkManager is not running"}
	if _, _, err := talkPlain(t, f, "quit"); !errors.Is(err, fault.ErrNoNetworkManager) {
		t.Error(err)
	}
}

// Every change that may cut off the person's own connection asks whether it stays, and is undone
// unless the answer is yes.
func TestPlainIsGuarded(t *testing.T) {
	create := answersOf("100.0.2.100", "172.16.0.1/30", "192.0.2.0/24")
	edit := append([]string{"edit", "gre1"}, slices.Repeat([]string{""}, 6)...)
	for _, tc := range []struct {
		name  string
		input []string
		undo  string
	}{
		{"new", append(create, "yes"), "undo create "},
		{"edit", append(append(edit, "1400"), append(slices.Repeat([]string{""}, 16), "yes")...), "undo edit "},
		{"up", []string{"up", "paris-backup"}, "undo up "},
		{"down", []string{"down", "gre1", "yes"}, "undo down "},
		{"delete", []string{"delete", "gre1", "yes"}, "undo down "},
	} {
		for answer, undone := range map[string]bool{"yes": false, "no": true} {
			f := tuitest.New().WithTunnels()
			f.Guarded.Client = tuitest.Addr("192.0.2.99")
			f.Tunnels[2].Tunnel.Routes[0].Dst = tuitest.Prefix("192.0.2.0/24")
			if tc.name != "up" && tc.name != "new" {
				f.ClientOn = "gre1"
			}
			_, talk, err := talkPlain(t, f, append(tc.input, answer, "quit")...)
			if err != nil || !strings.Contains(talk, "undone in 30s") {
				t.Fatalf("%s: %v\n%s", tc.name, err, talk)
			}
			if f.Saw(tc.undo) != undone {
				t.Errorf("%s: the answer %q: it called %q\n%s", tc.name, answer, f.Calls, talk)
			}
		}
	}
}
