package iproute

import (
	"slices"
	"strings"

	"nmgre/nm/notation"
)

// nft reads `nft add rule`, and gives the reason why another command of nft is not read.
func (s *Script) nft(i int, words []string) {
	words = strings.Fields(strings.Join(words, " "))
	if slices.Contains(words, "-f") || slices.Contains(words, "--file") {
		s.Refuse(i, "the file that it loads is not read: give it to nmgre import together with this one, behind it")
		return
	}
	if len(words) < 2 || words[0] != "add" && words[0] != "insert" || words[1] != "rule" {
		s.Skip(i, "it adds no rule")
		return
	}
	rest := words[2:]
	if len(rest) > 0 && slices.Contains(families, rest[0]) {
		rest = rest[1:]
	}
	s.nftRule(i, rest[min(2, len(rest)):])
}

// families are nft's.
var families = []string{"ip", "ip6", "inet", "arp", "bridge", "netdev"}

// nftRule reads a rule behind the names of its table and chain.
func (s *Script) nftRule(i int, rest []string) {
	at := slices.IndexFunc(rest, func(w string) bool { return w == "snat" || w == "masquerade" })
	if at < 0 {
		s.Skip(i, "it is a rule of the firewall, which nmgre leaves alone")
		return
	}
	if slices.Contains(rest, "{") {
		s.Refuse(i, "it has a set of values: write a rule for each")
		return
	}
	r, snat := sourceRule{}, rest[at] == "snat"
	for len(rest) > 0 {
		value := ""
		if len(rest) > 1 {
			value = rest[1]
		}
		switch rest[0] {
		case "ip", "ip6", "counter", "to", "snat", "masquerade", "packets", "bytes", "random", "fully-random", "persistent":
			if rest[0] == "to" {
				r.source, rest = value, rest[1:]
			} else if rest[0] == "packets" || rest[0] == "bytes" {
				rest = rest[min(1, len(rest)-1):]
			}
			rest = rest[min(1, len(rest)):]
		case "saddr":
			r.from, rest = value, rest[min(2, len(rest)):]
		case "daddr":
			r.to, rest = value, rest[min(2, len(rest)):]
		case "oif", "oifname":
			r.out, rest = value, rest[min(2, len(rest)):]
		case "comment":
			rest = nil
		default:
			r.more, rest = rest[0], rest[1:]
		}
	}
	if snat && r.source == "" {
		s.Refuse(i, "it ends after snat")
		return
	}
	s.Later(func() { s.snat(i, r) })
}

// ruleset reads rules in blocks, as nft -f takes them and nft list prints them, line by line.
type ruleset struct {
	s     *Script
	open  []string // the words that opened the blocks: table, chain, set, ...
	nat   bool     // the chain changes the sources of packets that leave
	typed bool     // the chain has its type and hook
	words []string // of the statement that is read
	set   int      // how many sets of a rule are open
	said  bool     // the line has something else than a frame
}

// most bounds the words of a statement, and the blocks in blocks.
const most = 256

// line reads a line. It refuses a statement that it does not understand.
func (n *ruleset) line(i int) {
	n.said = false
	for _, word := range nftWords(n.s.Lines[i].Text) {
		switch {
		case word == "{" && len(n.open) < most && n.opens():
			n.open = append(n.open, n.words[0])
			n.nat, n.typed = n.nat && n.words[0] != "chain", n.typed && n.words[0] != "chain"
			n.words = nil
		case word == "{":
			n.set++
			n.words = append(n.words, word)
		case word == "}" && n.set > 0:
			n.set--
			n.words = append(n.words, word)
		case word == "}":
			n.statement(i)
			n.open = n.open[:max(len(n.open)-1, 0)]
		case word == ";":
			n.statement(i)
		case len(n.words) < most:
			n.words = append(n.words, word)
		}
	}
	if n.set == 0 { // a set may go on in the next line
		n.statement(i)
	}
	if !n.said {
		n.s.Skip(i, "it frames the rules")
	}
}

// opens says whether the words before a brace open a block of their own.
func (n *ruleset) opens() bool {
	return len(n.words) > 0 && n.set == 0 && slices.Contains([]string{"table", "chain", "set", "map", "flowtable", "ct", "counter", "quota", "limit", "secmark", "synproxy"}, n.words[0]) &&
		(len(n.open) == 0 || n.open[len(n.open)-1] == "table")
}

// statement reads the words up to the end of a statement.
func (n *ruleset) statement(i int) {
	words, s, said := n.words, n.s, n.said
	n.words, n.set, n.said = nil, 0, true
	switch {
	case len(words) == 0:
		n.said = said
	case len(n.open) == 0 && (words[0] == "add" || words[0] == "insert"):
		s.nft(i, words)
	case len(n.open) == 0 && (words[0] == "define" || words[0] == "redefine" || words[0] == "include"):
		s.Refuse(i, "%s is not read: write the values out", words[0])
	case len(n.open) == 0, n.open[len(n.open)-1] != "chain":
		n.said = said
	case words[0] == "type":
		n.said = said
		n.typed = true
		n.nat = slices.Contains(words, "nat") && slices.Contains(words, "postrouting")
	case words[0] == "policy" || words[0] == "comment" || words[0] == "flags":
		n.said = said
	case !n.nat && (slices.Contains(words, "snat") || slices.Contains(words, "masquerade")):
		s.Refuse(i, "its chain has no line \"type nat hook postrouting\" above it, so it is not known when it counts")
	default:
		s.nftRule(i, words)
	}
}

// nftWords splits a line of rules into words. Braces and semicolons are words of their own, and
// comments behind a # are left out.
func nftWords(text string) []string {
	var words []string
	for len(text) > 0 {
		switch at := strings.IndexAny(text, " \t{};#\""); {
		case at < 0:
			return append(words, text)
		case at > 0:
			words, text = append(words, text[:at]), text[at:]
		case text[0] == '#':
			return words
		case text[0] == '"':
			end := strings.IndexByte(text[1:], '"')
			if end < 0 {
				return append(words, text)
			}
			words, text = append(words, text[1:end+1]), text[end+2:]
		case text[0] == '{' || text[0] == '}' || text[0] == ';':
			words, text = append(words, text[:1]), text[1:]
		default:
			text = text[1:]
		}
	}
	return words
}

// rulesets reads the rules that stand in the input as in a file of nft's, and returns the lines
// without them. The input of other commands is left as it is.
func (s *Script) rulesets(lines []notation.Line) []notation.Line {
	n, until, mine := &ruleset{s: s}, "", []int(nil)
	for i := range lines {
		text := strings.TrimSpace(lines[i].Text)
		switch {
		case until != "":
			if text == until {
				until = ""
			}
		case len(n.open) > 0, n.set > 0, isOfNFT(text, len(mine) > 0):
			mine = append(mine, i)
			n.line(i)
		default:
			until = delimiter(text)
		}
	}
	if len(mine) == 0 {
		return lines
	}
	rest := slices.Clone(lines)
	for _, i := range mine {
		rest[i].Text = ""
	}
	return rest
}

// isOfNFT says whether a line is one of nft's language, and of no shell's. Rules that are added
// count only behind others.
func isOfNFT(text string, behind bool) bool {
	first, _, _ := strings.Cut(text, " ")
	switch first {
	case "table", "define", "include":
	case "add", "flush", "delete":
		words := strings.Fields(text)
		if len(words) > 1 && (words[1] == "ruleset" || words[1] == "table" && first != "add" || words[1] == "rule" && behind && first == "add") {
			return true
		}
	default:
		return false
	}
	words := nftWords(text)
	return isTable(words) || len(words) > 1 && (words[0] == "define" || words[0] == "include")
}

// isTable says whether words open a table: table [FAMILY] NAME {.
func isTable(words []string) bool {
	if len(words) > 0 && words[0] == "add" {
		words = words[1:]
	}
	return len(words) >= 3 && words[0] == "table" && (words[2] == "{" || len(words) > 3 && words[3] == "{" && slices.Contains(families, words[1]))
}

// delimiter returns the word that ends the input of a command which stands below it in a script, or
// the empty string if it has none.
func delimiter(text string) string {
	_, after, found := strings.Cut(text, "<<")
	if !found || strings.HasPrefix(after, "<") {
		return ""
	}
	word := strings.TrimLeft(strings.TrimPrefix(after, "-"), " \t'\"\\")
	end := strings.IndexAny(word, " \t'\";|&>")
	if end >= 0 {
		word = word[:end]
	}
	return word
}

// takesRules says whether a command is nft that reads its rules from the script itself.
func takesRules(words []string) bool {
	for len(words) > 1 && words[0] == "sudo" {
		words = words[1:]
	}
	if len(words) < 2 || words[0] != "nft" && !strings.HasSuffix(words[0], "/nft") {
		return false
	}
	for at, word := range words {
		if word == "-f" || word == "--file" {
			return at+1 < len(words) && (words[at+1] == "-" || words[at+1] == "/dev/stdin")
		}
	}
	return false
}
