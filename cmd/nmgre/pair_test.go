package main

import (
	"strings"
	"testing"
)

// A command line that nobody can mean is refused before ssh is started: exit code 2, the field, and
// a hint.
func TestPairRefused(t *testing.T) {
	w := newWorld(t)
	t.Setenv("PATH", "") // there is no ssh
	for args, says := range map[string]string{
		"pair":                                  "the other host is missing",
		"pair a b c":                            "unexpected argument c",
		"pair -- -oProxyCommand=x":              "begins with a dash",
		"pair linux2 --far-route x":             "far-route",
		"pair linux2 --far-peer x":              "far-peer: \"x\" is not an IP address",
		"pair linux2 --copy --far-nmgre /x":     "copy: --copy and --far-nmgre",
		"pair linux2 --key word":                "key",
		"pair linux2 --wait 0s":                 "wait",
		"pair linux2 --confirm 2h":              "confirm",
		"pair linux2 --name=":                   "name: the value is empty",
		"verify gre1 --far -oProxyCommand=x":    "begins with a dash",
		"verify gre1 --become":                  "become: it is about the other host",
		"verify --all --far linux2":             "far: it does not go with --all",
		"verify gre1 --far linux2 --to 1.2.3.4": "far: it does not go with --to",
		"far-end x":                             "unknown command",
	} {
		o := w.run(strings.Fields(args)...)
		if o.code != exitInvalid && args != "far-end x" || o.code == exitDone || !strings.Contains(o.stderr, says) || !strings.Contains(o.stderr, "hint: ") && args != "far-end x" {
			t.Errorf("nmgre %s: exit %d, %s", args, o.code, o.stderr)
		}
	}
	if o := w.run("pair", "linux2"); o.code != exitFailed || !strings.Contains(o.stderr, "openssh-client") {
		t.Errorf("without ssh: exit %d, %s", o.code, o.stderr)
	}
}

// The far end greets, refuses a message that it does not understand, and ends with its input.
func TestFarEnd(t *testing.T) {
	w := newWorld(t)
	if o := w.run("far-end"); o.code != exitDone || !strings.HasPrefix(o.stdout, `{"type":"hello","hello":{"protocol":1,`) || strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("at the end of the input: exit %d, %s%s", o.code, o.stdout, o.stderr)
	}
	for _, input := range []string{"hello\n", `{"type":"save"}` + "\n", `{"type":"plan","command":"nmgre delete gre1"}` + "\n", `{"type":"make"}` + "\n", `{"type":"stop"}` + "\n",
		`{"type":"plan","command":"nmgre create --peer 192.0.2.9 --address 172.16.0.2/30 --routes-from /etc/shadow"}` + "\n"} {
		w.stdin = strings.NewReader(input)
		if o := w.run("far-end"); o.code != exitFailed || !strings.Contains(o.stdout, `{"type":"failed","failure":{`) {
			t.Errorf("%q: exit %d, %s%s", input, o.code, o.stdout, o.stderr)
		}
	}
	if list := w.must("list", "--json").stdout; strings.TrimSpace(list) != "[]" {
		t.Errorf("it has made %s", list)
	}
}
