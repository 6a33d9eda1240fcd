package iproute

import (
	"slices"
	"strings"

	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/rule"
)

// rule reads `ip rule`.
func (s *Script) rule(i int, words []string, six bool) {
	if len(words) == 0 || short(words[0], "add", "delete", "list", "show", "flush") != "add" {
		s.Skip(i, "it adds no rule")
		return
	}
	s.Rule(i, words[1:], "", six)
}

// Rule reads the words behind `ip rule add`. The rule is for the tunnel with that name, or, if the
// name is empty, for the one that it names or in whose table it has packets looked up.
func (s *Script) Rule(i int, words []string, dev string, six bool) {
	for at, word := range words {
		if (word == "proto" || word == "protocol") && at+1 < len(words) {
			words = slices.Concat(words[:at], words[at+2:])
			break
		}
	}
	words, table := s.Numbered(words)
	r, err := rule.ParseWith(s.Names, strings.Join(words, " "))
	if err != nil {
		s.RefuseErr(i, err)
		return
	}
	r.IPv6 = r.IPv6 || six && !r.From.IsValid() && !r.To.IsValid()
	s.Later(func() {
		f := s.ruled(r, dev)
		if f == nil {
			s.Skip(i, "it is for no table and no device of a tunnel of this input")
			return
		}
		f.Rules = append(f.Rules, r)
		s.Take(i)
		s.Miss(f, i, "rule", table)
	})
}

// ruled returns the tunnel that a rule is for, or nil.
func (s *Script) ruled(r rule.Rule, dev string) *notation.Found {
	for _, name := range []string{dev, r.IIF, r.OIF} {
		if f := s.Tunnel(name); f != nil {
			return f
		}
	}
	for _, f := range s.Tunnels {
		if slices.ContainsFunc(f.Routes, func(o routes.Route) bool { return r.Table != 0 && o.Table == r.Table }) {
			return f
		}
	}
	return nil
}
