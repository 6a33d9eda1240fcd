package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/testdata/want"
)

// The page has every cause and every place, and the words for IPv6, where a header stands before
// GRE.
func TestPageIsWhole(t *testing.T) {
	page := Causes(Plain)
	for _, c := range cause.Causes() {
		if !strings.Contains(page, fmt.Sprintf("\n| `%s` | %s | %s, %s | %s |", c.ID, c.Means, Place(c), c.Certainty, Plain[c.ID])) {
			t.Errorf("the page lacks %s", c.ID)
		}
	}
	for _, p := range place.Places() {
		if !strings.Contains(page, "`"+string(p)+"` ("+p.Words()+")") {
			t.Errorf("the page lacks %s", p)
		}
	}
	if !strings.Contains(page, "ip6 protochain 47") {
		t.Error("the page has no words for IPv6")
	}
}

// The hints that are written down here are those of the checks, as far as they are the same for all
// tunnels.
func TestPlainHints(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range append(files, "../../../routes/keep/bound.go", "../../../routes/netlink/supports.go", "../../../routes/gateway/firewalls/forwarded.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for id, hint := range Plain {
		for _, part := range regexp.MustCompile(` ?(NAME|DESTINATION|REMOTE)( NAME)?;? ?`).Split(hint, -1) {
			if !strings.Contains(source.String(), part) {
				t.Errorf("%s: no check says %q", id, part)
			}
		}
	}
}

func TestCommands(t *testing.T) {
	c := cause.Cause{See: "ip -br link; ip -s link show (RX grows); there: ip -d tunnel show"}
	want.Same(t, "the commands", Commands(c), "`ip -br link`; `ip -s link show` (RX grows); on the far end `ip -d tunnel show`")
}

// man fills a page to 78 columns on a terminal of 80, and explanations stand 14 columns in.
const explained = 78 - 14

// Below its name each cause is explained in three lines, with how a person sees it.
func TestThreeLinesEach(t *testing.T) {
	for _, c := range cause.Causes() {
		text := strings.NewReplacer("`", "", "*", "").Replace(c.Means + ". By hand: " + Commands(c) + ".")
		if n := linesOf(text, explained); n > 3 {
			t.Errorf("%s takes %d lines, %d characters:\n%s", c.ID, n, len(text), text)
		}
	}
}

// linesOf counts the lines of a text that is filled to a width.
func linesOf(text string, width int) int {
	n, column := 1, 0
	for _, word := range strings.Fields(text) {
		if column > 0 && column+1+len(word) > width {
			n, column = n+1, 0
		}
		if column > 0 {
			column++
		}
		column += len(word)
	}
	return n
}

// needsRoot matches commands that say nothing, or not all, to anybody but root.
var needsRoot = regexp.MustCompile(`^(nft|tcpdump|conntrack|dmesg|iptables|ip6tables|ip xfrm|firewall-cmd|nmgre verify|ls -l /etc/nmgre)\b`)

// A command that only root may type says so.
func TestRootsCommands(t *testing.T) {
	for _, c := range cause.Causes() {
		for _, part := range strings.Split(c.See, "; ") {
			command := strings.TrimPrefix(part, "there: ")
			if needsRoot.MatchString(command) {
				t.Errorf("%s: %q needs sudo", c.ID, command)
			}
		}
	}
	if !slices.ContainsFunc(cause.Causes(), func(c cause.Cause) bool { return strings.Contains(c.See, "sudo nft list ruleset") }) {
		t.Error("no cause is seen with sudo")
	}
}
