package resolve

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Address reads a far end that is given by its outer address, as [Parse] has found no name in the
// text. An empty text is the zero Addr. For a text that is neither an address nor a name, the hint
// names the part to leave out, where the rest is right.
func Address(text string) (netip.Addr, *fault.Error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err == nil {
		return a, nil
	}
	what := "is neither an IP address nor the name of a host"
	if strings.Trim(text, "0123456789./") == "" {
		what = "is not an IP address"
	}
	hint := "give the far end's outer address, such as 203.0.113.2, or its name"
	if more := mistake(text); more != "" {
		hint = more
	}
	return a, fault.Invalid("peer", hint, "\"%.80s\" %s", fault.Printable(text), what)
}

// isWord says whether a text is a word of `ip tunnel` or of nmgre in the place of an address.
func isWord(text string) bool {
	return slices.Contains([]string{"any", "all", "none", "auto", "default"}, text)
}

// mistake is the hint for a text that people take for a host's address: the right form. It is empty
// for any other text.
func mistake(text string) string {
	inner := strings.TrimSpace(text)
	if isWord(inner) {
		return "give the address or the name of one far end, such as 203.0.113.2; nmgre makes no tunnels with many ends (mGRE)"
	}
	if inner != text && isHost(inner) {
		return "leave out the blanks: " + inner
	}
	if _, rest, found := strings.Cut(inner, "://"); found {
		return leaveOut("give the host alone", rest)
	}
	if host, _, found := strings.Cut(inner, "/"); found && isHost(host) {
		return "leave out the prefix length: " + host
	}
	if _, host, found := strings.Cut(inner, "@"); found {
		return leaveOut("leave out the user", host)
	}
	if strings.ContainsAny(inner, ", ") {
		return "a tunnel has one far end: give one address, or one name"
	}
	for _, r := range inner {
		if r > 0x7f {
			return "write the name in ASCII, as the DNS has it, with xn--, or give the far end's address"
		}
	}
	if strings.HasPrefix(inner, "[") && strings.HasSuffix(inner, "]") {
		return leaveOut("leave out the brackets", inner)
	}
	if host, port, found := cutPort(inner); found {
		return leaveOut("GRE has no ports: leave out :"+port, host)
	}
	return ""
}

// leaveOut ends a hint with the host that is left of a text, if one is.
func leaveOut(hint, rest string) string {
	u := url.URL{}
	if parsed, err := url.Parse("x://" + rest); err == nil {
		u = *parsed
	}
	if host := u.Hostname(); isHost(host) {
		return hint + ": " + host
	}
	return hint
}

// cutPort cuts a number behind the last colon off a name, an address of IPv4, or one in brackets.
func cutPort(text string) (host, port string, found bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 || text[i+1:] == "" || strings.Trim(text[i+1:], "0123456789") != "" {
		return text, "", false
	}
	host, port = text[:i], text[i+1:]
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return host, port, isHost(bare) && (bare != host || !strings.Contains(host, ":"))
}

// isHost says whether text is an address or a name.
func isHost(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil || nm.IsHostName(text)
}
