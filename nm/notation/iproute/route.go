package iproute

import (
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm/notation"
	"nmgre/routes"
)

// route reads `ip route`.
func (s *Script) route(i int, words []string, six bool) {
	if len(words) == 0 {
		s.Skip(i, "it makes nothing")
		return
	}
	switch short(words[0], "list", "show", "lst", "get", "add", "change", "chg", "replace", "prepend", "append", "test", "delete", "flush", "save", "restore", "help") {
	case "add", "change", "chg", "replace", "prepend", "append":
		s.Route(i, words[1:], "", six)
	case "":
		s.Refuse(i, "ip route has no %s", notation.Word(words[0]))
	default:
		s.Skip(i, "it adds no route")
	}
}

// Route reads the words behind `ip route add`. A line without dev is for the device with that name,
// or, if the name is empty, for the tunnel to which its gateway belongs.
func (s *Script) Route(i int, words []string, dev string, six bool) {
	spec := make([]string, 0, len(words))
	kernels, hops := false, false
	for at := 0; at < len(words); at++ {
		word := words[at]
		switch {
		case (word == "dev" || word == "oif") && at+1 < len(words) && !hops:
			dev, at = words[at+1], at+1
		case (word == "proto" || word == "protocol") && at+1 < len(words):
			kernels, at = words[at+1] == "kernel", at+1
		case word == "nexthop":
			hops = true
			spec = append(spec, word)
		default:
			spec = append(spec, word)
		}
	}
	spec, table := s.Numbered(spec)
	text := strings.Join(spec, " ")
	if kernels {
		s.kernelRoute(i, spec, dev)
		return
	}
	if six && (text == "default" || strings.HasPrefix(text, "default ")) {
		text = "::/0" + strings.TrimPrefix(text, "default")
	}
	if dev != "" && !hops {
		s.routeOf(i, text, dev, table)
		return
	}
	s.Later(func() { s.pending(i, text, table, hops) })
}

// routeOf adds a route to the tunnel with that name.
func (s *Script) routeOf(i int, text, dev, table string) {
	f := s.current(dev)
	if f == nil {
		s.about(i, dev)
		return
	}
	if err := s.parser.Read(text); err != nil {
		s.RefuseErr(i, err)
		return
	}
	s.add(i, f, s.parser.Route, table)
}

func (s *Script) add(i int, f *notation.Found, r routes.Route, table string) {
	if slices.ContainsFunc(f.Addresses, func(p netip.Prefix) bool {
		return r.Dst == p.Masked() && !r.Dst.IsSingleIP() && r.Bare() && r.Metric == nil
	}) {
		s.Skip(i, "the kernel sets the route to an inner network by itself")
		return
	}
	f.Routes = append(f.Routes, r)
	s.Take(i)
	s.Miss(f, i, "route", table)
}

// pending adds a route without a device, when all tunnels are known.
func (s *Script) pending(i int, text, table string, hops bool) {
	if err := s.parser.Read(text); err != nil {
		s.RefuseErr(i, err)
		return
	}
	r := s.parser.Route
	if hops {
		for _, hop := range r.Nexthops {
			if f := s.Tunnel(hop.Dev); f != nil {
				s.add(i, f, r, table)
				return
			}
			if f := s.Toward(hop.Via); f != nil && hop.Dev == "" {
				s.add(i, f, r, table)
				return
			}
		}
	}
	if f := s.Toward(r.Via); r.Via.IsValid() && f != nil {
		s.add(i, f, r, table)
		return
	}
	s.Skip(i, "it leads into no tunnel of this input")
}

// kernelRoute reads a line that shows a route which the kernel has set.
func (s *Script) kernelRoute(i int, spec []string, dev string) {
	shown := strings.Join(spec, " ")
	for _, f := range s.Tunnels {
		if f.Name != dev && dev != "" {
			continue
		}
		for _, p := range f.Addresses {
			if len(spec) > 0 && spec[0] != p.Masked().String() {
				if own, ok := prefix(spec[0]); ok && own.Masked() == p.Masked() {
					s.Skip(i, "the kernel sets the route to the inner network by itself, and that is not this one: it is %s dev %s proto kernel scope link src %s", p.Masked(), f.Name, p.Addr())
					return
				}
			}
		}
	}
	s.Skip(i, "the kernel sets the route by itself: %s", notation.Word(shown))
}
