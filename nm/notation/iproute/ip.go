package iproute

import (
	"strings"

	"nmgre/nm/notation"
)

// objects are iproute2's objects, in the order in which a shortened word is looked for (ip.c).
var objects = []string{"address", "addrlabel", "maddress", "route", "rule", "neighbor", "neighbour", "ntable", "ntbl", "link", "l2tp", "fou", "ila", "macsec",
	"tunnel", "tunl", "tuntap", "tap", "token", "tcpmetrics", "tcp_metrics", "monitor", "xfrm", "mroute", "mrule", "netns", "netconf", "vrf", "sr", "nexthop", "mptcp", "ioam", "help", "stats"}

// short returns the first of the words that begins with a shortened one, or the empty string.
func short(word string, words ...string) string {
	if word == "" {
		return ""
	}
	for _, full := range words {
		if strings.HasPrefix(full, word) {
			return full
		}
	}
	return ""
}

// ip reads the words after ip.
func (s *Script) ip(i int, words []string) {
	six := false
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		option := "-" + strings.TrimLeft(words[0], "-")
		words = words[1:]
		switch {
		case option == "-4":
		case option == "-6":
			six = true
		case option == "-f" || option == "-family":
			if len(words) == 0 {
				s.Refuse(i, "it ends after %s", notation.Word(option))
				return
			}
			six, words = words[0] == "inet6", words[1:]
		case option == "-n" || strings.HasPrefix(option, "-net"):
			s.Refuse(i, "it is about another network namespace, and NetworkManager runs in one")
			return
		case strings.HasPrefix(option, "-b") && option != "-br" && !strings.HasPrefix(option, "-bri"):
			s.Refuse(i, "it reads a file of its own: import that file")
			return
		}
	}
	if len(words) == 0 {
		s.Skip(i, "it makes nothing")
		return
	}
	object, rest := short(words[0], objects...), words[1:]
	switch object {
	case "tunnel", "tunl":
		s.tunnel(i, rest, six)
	case "link":
		s.link(i, rest)
	case "address":
		s.address(i, rest)
	case "route":
		s.route(i, rest, six)
	case "rule":
		s.rule(i, rest, six)
	case "":
		s.Refuse(i, "ip has no object %s", notation.Word(words[0]))
	default:
		s.Skip(i, "ip %s makes no tunnel", object)
	}
}

// link reads `ip link`.
func (s *Script) link(i int, words []string) {
	if len(words) == 0 {
		s.Skip(i, "it makes nothing")
		return
	}
	switch short(words[0], "add", "set", "change", "replace", "delete", "show", "lst", "list", "xstats", "afstats", "property", "help") {
	case "add", "replace":
		s.linkAdd(i, words[1:])
	case "set", "change":
		s.linkSet(i, words[1:])
	case "delete":
		s.remove(i, words[1:])
	case "":
		s.Refuse(i, "ip link has no %s", notation.Word(words[0]))
	default:
		s.Skip(i, "it makes nothing")
	}
}

// remove reads the removal of a device.
func (s *Script) remove(i int, words []string) {
	name := ""
	for _, word := range words {
		if word != "dev" && word != "name" && name == "" {
			name = word
		}
	}
	if f := s.Tunnel(name); f != nil {
		s.Drop(f)
		s.Skip(i, "it removes %s again", notation.Word(name))
		s.Skip(f.At, "a later line removes it again")
		return
	}
	s.Skip(i, "it removes what is not there yet")
}

// about refuses or skips a line about a device that is no tunnel of the input.
func (s *Script) about(i int, dev string) {
	switch why, refused := s.refused[dev]; {
	case refused:
		s.Refuse(i, "it belongs to a tunnel that is not possible: %s", why)
	case isFallback(dev):
		s.Refuse(i, "%s is the kernel's own fallback device, which no tunnel can have", dev)
	default:
		s.Skip(i, "it is about %s, which is no tunnel of this input", notation.Word(dev))
	}
}

// isFallback says whether a name is that of a device that the kernel makes with its module.
func isFallback(name string) bool {
	return name == "gre0" || name == "gretap0" || name == "ip6gre0" || name == "ip6gretap0" || name == "erspan0" || name == "tunl0" || name == "ip6tnl0" || name == "sit0"
}
