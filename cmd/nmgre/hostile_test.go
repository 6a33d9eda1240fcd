package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// hostileNames are names that devices and profiles of others may have.
var hostileNames = []string{
	"$(id)", "`id`", "it's", `a"b`, `a\b`, "-x", "--help", ";reboot", "a&b|c", "*", "~", "=x", "#", "%s%n", "!", "隧道", "שלום", "eth0.100", "e\u0301",
	"\x1b[31m", "\x1b]0;x\a", "a\u202eb", "a\u200bb", "\u009b31m", "e\xffth", "a\nnmgre:x", "a b", "a\tb", "\r", "\u2003x",
}

// commandPattern finds commands that a person may type: on lines of their own, and in hints.
var commandPattern = regexp.MustCompile(`^(?:sudo )?(?:nmgre (?:create|edit|show|up|down|delete|verify|route|list)|nmcli|ip|nft|sysctl|ping) `)

// commandsIn returns the commands of an output.
func commandsIn(output string) (commands []string) {
	for line := range strings.Lines(output) {
		line = strings.TrimSuffix(line, "\n")
		if at := strings.LastIndex(line, "far end: "); at >= 0 {
			line = line[at+len("far end: "):]
		}
		if _, hint, ok := strings.Cut(line, "hint: "); ok {
			for _, part := range regexp.MustCompile(`: |; | && | and remove it with: `).Split(hint, -1) {
				if commandPattern.MatchString(part) {
					commands = append(commands, part)
				}
			}
			continue
		}
		if line = strings.TrimSpace(line); commandPattern.MatchString(line) {
			commands = append(commands, line)
		}
	}
	return commands
}

// checkOutput checks that nothing of an output acts on a terminal, and that a shell reads each
// command as the words that it was made of: written anew, they are the same line.
func checkOutput(t *testing.T, what string, o outcome) (words [][]string) {
	t.Helper()
	for line := range strings.Lines(o.stdout + o.stderr) {
		if text := strings.TrimSuffix(line, "\n"); fault.Escaped(text) != text {
			t.Errorf("%s: %q is not safe to show", what, text)
		}
	}
	for _, command := range commandsIn(o.stdout + "\n" + o.stderr) {
		read := want.ShellWords(t, command)
		if again := fault.Shell(read); again != command {
			t.Errorf("%s: %s is read by a shell as %q", what, command, read)
		}
		words = append(words, read)
	}
	return words
}

// uses reports whether a command has the word.
func uses(commands [][]string, word string) bool {
	return slices.ContainsFunc(commands, func(words []string) bool { return slices.Contains(words, word) })
}

// Every text of every command is safe to show, and each command in it can be typed, whatever the
// devices of the host are called.
func TestHostileDevices(t *testing.T) {
	for _, name := range hostileNames {
		w := newWorld(t)
		w.kernel.wan, w.kernel.lan = name, name+"2"
		create := []string{"create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24", "--snat", "10.10.1.0/24=10.10.1.1", "--forward", "--clamp-mss"}
		commands := checkOutput(t, name+": dry run", w.run(append(create, "--dry-run")...))
		if forward := "net.ipv4.conf." + strings.ReplaceAll(name+"2", ".", "/") + ".forwarding=1"; !uses(commands, forward) {
			t.Errorf("%q: no command has the word %q", name, forward)
		}
		checkOutput(t, name+": json", w.run(append(create, "--dry-run", "--json")...))
		w.kernel.silent = true
		commands = checkOutput(t, name+": create", w.run(append(create, "--verbose")...))
		if len(commands) < 5 {
			t.Errorf("%q: create tells %q", name, commands)
		}
		for _, line := range []string{
			"list", "show gre1", "show gre1 --json", "route list gre1", "verify gre1 --verbose", "edit gre1 --mtu 1300 --dry-run", "edit gre1 --peer 100.0.1.100",
			"create --peer 100.0.1.100 --address 172.16.1.1/30", "create --peer 10.10.1.9 --address 10.10.1.5/24", "route add gre1 10.10.1.0/24",
			"route add gre1 0.0.0.0/1 --verbose", "create --peer 100.0.2.101 --address 172.16.2.1/30 --route 100.0.2.0/24", "down gre1 --verbose", "verify gre1",
			"up gre1 --verbose", "delete gre1 --verbose",
		} {
			checkOutput(t, name+": "+line, w.run(strings.Fields(line)...))
		}
		for _, field := range []string{"--parent", "--name", "--peer", "--mode", "--route"} {
			checkOutput(t, name+": "+field, w.run("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", field, name))
		}
		w.kernel.root = false
		checkOutput(t, name+": not root", w.run(append(create, "--name", "gre9", "--route", "10.5.0.0/16 nexthop dev "+name)...))
		for _, verb := range []string{"show", "up", "verify", "delete"} {
			checkOutput(t, name+": "+verb, w.run(verb, "--", name))
		}
	}
}

// The same for profiles that somebody else made: their names, their interfaces and their parents.
func TestHostileProfiles(t *testing.T) {
	for _, name := range hostileNames {
		if strings.ContainsRune(name, '\xff') || strings.ContainsRune(name, '\uFFFD') {
			continue // D-Bus carries no such text
		}
		w := newWorld(t)
		w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe")
		tunnel := nm.NewTunnel()
		tunnel.Name = "gre7"
		const uuid = "11111111-2222-4333-8444-555555555555"
		settings := wire.Encode(tunnel, w.bus.Profiles()[0].Settings)
		settings["connection"]["id"] = dbus.MakeVariant(name)
		settings["connection"]["uuid"] = dbus.MakeVariant(uuid)
		settings["ip-tunnel"]["remote"] = dbus.MakeVariant("100.0.2.101")
		held := fault.IsPrintable(name) && !strings.Contains(name, " ") // else NetworkManager would not have it either
		if held {
			settings["connection"]["interface-name"] = dbus.MakeVariant(name)
		}
		w.bus.AddProfile(settings)
		w.kernel.silent = true
		for _, args := range [][]string{
			{"list"}, {"show", uuid}, {"show", uuid, "--json"}, {"route", "list", uuid}, {"verify", uuid}, {"up", uuid, "--verbose"}, {"verify", uuid, "--verbose"},
			{"edit", uuid, "--ttl", "7", "--dry-run"}, {"route", "add", uuid, "10.9.0.0/16", "--verbose"}, {"route", "delete", uuid, "10.8.0.0/16"},
			{"down", uuid, "--verbose"}, {"create", "--name", "gre7", "--peer", "100.0.2.102", "--address", "172.16.7.1/30"},
			{"create", "--peer", "100.0.2.101", "--address", "172.16.8.1/30"}, {"delete", uuid, "--verbose"},
		} {
			commands := checkOutput(t, name+": "+args[0], w.run(args...))
			if args[0] == "verify" && len(args) == 2 && held {
				at := slices.IndexFunc(commands, func(words []string) bool { return len(words) > 2 && words[0] == "nmgre" && words[1] == "up" })
				if at < 0 || commands[at][len(commands[at])-1] != name || strings.HasPrefix(name, "-") && commands[at][2] != "--" {
					t.Errorf("%q: verify says %q", name, commands)
				}
			}
		}
	}
}
