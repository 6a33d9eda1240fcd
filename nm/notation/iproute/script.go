// Package iproute reads the commands of iproute2, iptables, nft and sysctl as far as they make
// tunnels, and never runs any of them. Several notations have such commands in them. It is pure.
package iproute

import (
	"path"
	"slices"
	"strings"

	"nmgre/nm/notation"
	"nmgre/nm/notation/shell"
	"nmgre/routes"
)

// Script is the state of a script while its commands are read.
type Script struct {
	*notation.Reading
	// Own reads a command that the notation has besides. It says whether it is one.
	Own     func(c *shell.Command) bool
	refused map[string]string // the tunnels that could not be had, with the reason
	nat     bool              // the lines are those of iptables-save for the table nat
	parser  routes.Parser
	fed     *ruleset // the rules that the script feeds to nft; nil if the input is another command's
}

// New returns a script that reads into r.
func New(r *notation.Reading) *Script {
	return &Script{Reading: r, refused: map[string]string{}, parser: routes.Parser{Names: r.Names}}
}

// Read reads all lines of the reading as a shell script.
func (s *Script) Read() {
	shell.Split(s.rulesets(s.Lines), nil, s.Command)
}

// Command reads one command.
func (s *Script) Command(c *shell.Command) {
	if !c.Input {
		s.fed = nil
	}
	switch {
	case c.Here && takesRules(c.Words):
		s.fed = &ruleset{s: s}
		s.mark(c, func(i int) { s.Skip(i, "it frames the rules") })
	case c.Input && s.fed != nil && c.Frame:
		s.Skip(c.First, "it frames the rules")
	case c.Input && s.fed != nil:
		s.fed.line(c.First)
	case c.Bad != "":
		s.mark(c, func(i int) { s.Refuse(i, "%s", c.Bad) })
	case c.Else && (len(c.Words) != 1 || !isNothing(c.Words)):
		s.mark(c, func(i int) {
			s.Refuse(i, "it runs only if the command before it fails, and nothing of the input is run")
		})
	case c.Frame:
		s.mark(c, func(i int) { s.Skip(i, "it frames a block") })
	case c.Words == nil:
		s.mark(c, s.Take) // a variable
	case s.Own != nil && s.Own(c):
	default:
		s.read(c)
	}
	for i := c.First + 1; i <= c.Last; i++ { // the lines that it is continued on
		s.Lines[i].Fate, s.Lines[i].Why = s.Lines[c.First].Fate, s.Lines[c.First].Why
	}
}

func (s *Script) mark(c *shell.Command, how func(i int)) {
	for i := c.First; i <= c.Last; i++ {
		how(i)
	}
}

// isNothing says whether a command does nothing for a tunnel.
func isNothing(words []string) bool {
	return slices.Contains([]string{"true", ":", "exit", "set", "echo", "sleep", "return", "logger", "cd", "umask", "function", "printf", "date"}, words[0])
}

// read reads a command by its program.
func (s *Script) read(c *shell.Command) {
	i, words := c.First, c.Words
	for len(words) > 1 && (words[0] == "sudo" || words[0] == "exec" || words[0] == "command" || words[0] == "nohup") {
		words = words[1:]
	}
	switch program := path.Base(words[0]); program {
	case "ip":
		s.ip(i, words[1:])
	case "iptunnel":
		s.tunnel(i, words[1:], false)
	case "iptables", "ip6tables", "iptables-nft", "iptables-legacy":
		s.iptables(i, words[1:])
	case "nft":
		s.nft(i, words[1:])
	case "sysctl":
		s.sysctl(i, words[1:])
	case "modprobe", "insmod":
		s.Skip(i, "the kernel loads its module by itself")
	case "ifconfig", "route", "brctl", "tc", "ethtool":
		s.Refuse(i, "%s is not read: write the line with ip", program)
	case "echo", "printf":
		s.echo(i, c)
	case "ping", "traceroute", "tracepath", "systemctl", "service", "firewall-cmd", "touch", "rm", "mkdir", "chmod", "dig", "tee":
		s.Skip(i, "%s makes no tunnel", program)
	default:
		s.other(i, c)
	}
}

// other reads a line that calls no program that makes tunnels.
func (s *Script) other(i int, c *shell.Command) {
	first := c.Words[0]
	switch {
	case isNothing(c.Words):
		s.Skip(i, "it makes no tunnel")
	case strings.HasPrefix(first, "*"), first == "COMMIT", strings.HasPrefix(first, ":"): // iptables-save
		if first[0] != ':' {
			s.nat = first == "*nat"
		}
		s.Skip(i, "it frames the rules")
	case (first == "-A" || first == "-I") && s.nat:
		s.iptables(i, append([]string{"-t", "nat"}, c.Words...))
	case first == "-A" || first == "-I":
		s.Skip(i, "it is a rule of the firewall, which nmgre leaves alone")
	default:
		s.Refuse(i, "%s is not known, and nothing of the input is run", notation.Word(first))
	}
}

// echo reads `echo 1 > /proc/sys/net/ipv4/ip_forward`.
func (s *Script) echo(i int, c *shell.Command) {
	name, found := strings.CutPrefix(c.To, "/proc/sys/")
	if !found || len(c.Words) != 2 {
		s.Skip(i, "it makes no tunnel")
		return
	}
	s.setting(i, strings.ReplaceAll(name, "/", "."), c.Words[1])
}

// sysctl reads `sysctl -w NAME=VALUE`.
func (s *Script) sysctl(i int, words []string) {
	any := false
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		if found {
			s.setting(i, strings.ReplaceAll(strings.TrimSpace(name), "/", "."), strings.TrimSpace(value))
			any = true
		}
	}
	if !any {
		s.Skip(i, "it sets nothing")
	}
}

// setting reads a setting of the kernel.
func (s *Script) setting(i int, name, value string) {
	switch {
	case name == "net.ipv4.ip_forward" || name == "net.ipv4.conf.all.forwarding":
		if value != "1" {
			s.Skip(i, "without --forward nmgre leaves forwarding as it is")
			return
		}
		s.Later(func() {
			for _, f := range s.Tunnels {
				f.Forward = f.Forward || len(f.IPv4Addresses()) > 0
			}
			if len(s.Tunnels) == 0 {
				s.Skip(i, "there is no tunnel to forward for")
				return
			}
			s.takeAs(i, "as --forward: between the tunnels and this host's networks only")
		})
	case strings.Contains(name, "rp_filter"):
		s.Skip(i, "nmgre leaves rp_filter as it is, and verify says when it is in the way")
	default:
		s.Skip(i, "%s is no setting of a tunnel", notation.Word(name))
	}
}

// takeAs takes a line, with the reason.
func (s *Script) takeAs(i int, as string) {
	s.Take(i)
	s.Lines[i].Why = as
}
