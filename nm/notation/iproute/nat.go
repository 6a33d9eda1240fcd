package iproute

import (
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm/notation"
	"nmgre/routes/keep"
)

// sourceRule is a rule that changes the source of packets.
type sourceRule struct {
	from, to, source string // as they are written; source is empty for masquerade
	out              string
	more             string // a word that nmgre's rules do not have
}

// iptables reads a rule of iptables.
func (s *Script) iptables(i int, words []string) {
	table, chain, target := "filter", "", ""
	var r sourceRule
	for at := 0; at < len(words); at++ {
		value := ""
		if at+1 < len(words) {
			value = words[at+1]
		}
		switch word := words[at]; word {
		case "-t", "--table":
			table, at = value, at+1
		case "-A", "--append", "-I", "--insert":
			chain, at = value, at+1
			if at+1 < len(words) && isNumber(words[at+1]) {
				at++
			}
		case "-s", "--source", "--src":
			r.from, at = value, at+1
		case "-d", "--destination", "--dst":
			r.to, at = value, at+1
		case "-o", "--out-interface":
			r.out, at = value, at+1
		case "-j", "--jump":
			target, at = value, at+1
		case "--to-source", "--to":
			r.source, at = value, at+1
		case "-m", "--match":
			at++
			if value != "comment" {
				r.more = word + " " + value
			}
		case "--comment", "-w", "--wait":
			if word == "--comment" || isNumber(value) {
				at++
			}
		case "--random", "--random-fully", "--persistent", "-4", "-6":
		default:
			r.more = word
		}
	}
	switch {
	case chain == "":
		s.Skip(i, "it adds no rule")
	case table == "mangle" && target == "TCPMSS":
		s.clamp(i, words, r.out)
	case table != "nat" || chain != "POSTROUTING":
		s.Skip(i, "it is a rule of the firewall, which nmgre leaves alone")
	case target == "MASQUERADE" || target == "SNAT" && r.source != "":
		s.Later(func() { s.snat(i, r) })
	default:
		s.Refuse(i, "nmgre has SNAT and masquerade, and no target %s", notation.Word(target))
	}
}

func isNumber(word string) bool {
	return word != "" && strings.Trim(word, "0123456789") == ""
}

// clamp reads a rule that lowers the MSS.
func (s *Script) clamp(i int, words []string, out string) {
	s.Later(func() {
		f := s.Tunnel(out)
		switch {
		case f == nil:
			s.Skip(i, "it names no tunnel of this input (-o)")
		case !slices.Contains(words, "--clamp-mss-to-pmtu"):
			s.Refuse(i, "nmgre clamps the MSS to the MTU (--clamp-mss), and to no other number")
		default:
			f.ClampMSS = true
			s.takeAs(i, "as --clamp-mss")
		}
	})
}

// snat gives a rule to the tunnel from whose inner network its packets come.
func (s *Script) snat(i int, r sourceRule) {
	if r.more != "" {
		s.Refuse(i, "nmgre's SNAT has no %s", notation.Word(r.more))
		return
	}
	from, ok := prefix(r.from)
	if r.from != "" && !ok {
		s.Refuse(i, "%s is not an IP address", notation.Word(r.from))
		return
	}
	to, ok := prefix(r.to)
	switch {
	case r.to != "" && !ok:
		s.Refuse(i, "%s is not an IP address", notation.Word(r.to))
		return
	case r.from == "":
		s.Refuse(i, "it is for packets from everywhere (no source), and nmgre's SNAT is for packets from the tunnel")
		return
	case r.to == "":
		s.Refuse(i, "it has no destination, which nmgre's SNAT needs: keep the rule where it is")
		return
	}
	source, err := netip.ParseAddr(r.source)
	if r.source != "" && err != nil {
		s.Refuse(i, "%s is not one IP address", notation.Word(r.source))
		return
	}
	f := s.from(from)
	if f == nil {
		s.Refuse(i, "%s is no inner network of a tunnel of this input, and nmgre's SNAT is for packets from the tunnel", from)
		return
	}
	text := to.Masked().String() + "=masquerade"
	if source.IsValid() {
		text = to.Masked().String() + "=" + source.String()
	}
	n, err := keep.ParseSNAT(text)
	if err != nil {
		s.RefuseErr(i, err)
		return
	}
	s.Take(i)
	if slices.Contains(f.SNAT, n) {
		return
	}
	f.SNAT = append(f.SNAT, n)
	if r.out != "" {
		s.Lines[i].Why = "whatever device the packets leave by"
	}
}

// from returns the tunnel in whose inner networks a source is, or nil.
func (s *Script) from(source netip.Prefix) *notation.Found {
	for _, f := range s.Tunnels {
		for _, inner := range f.InnerNetworks() {
			if inner.Contains(source.Addr()) && source.Bits() >= inner.Bits() {
				return f
			}
		}
	}
	return nil
}
