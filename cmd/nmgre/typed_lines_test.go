package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// example says how the lab types the examples of a command.
type example struct {
	begin    string         // one of startStates
	eachAnew bool           // each line begins there, as they are alternatives
	codes    map[string]int // the exit codes that are not 0
}

// examples has every command that has examples.
var examples = map[string]example{
	"nmgre":               {begin: "the far end alone"},
	"nmgre adopt":         {begin: "tun0 made by hand", eachAnew: true},
	"nmgre apply":         {},
	"nmgre create":        {},
	"nmgre doctor":        {begin: "both ends"},
	"nmgre edit":          {begin: "both ends"},
	"nmgre export":        {begin: "two tunnels"},
	"nmgre follow":        {},
	"nmgre help":          {},
	"nmgre import":        {},
	"nmgre pair":          {begin: "an sshd at linux2", eachAnew: true},
	"nmgre plan":          {},
	"nmgre route add":     {begin: "one end"},
	"nmgre route delete":  {begin: "routes and rules from files"},
	"nmgre route keep":    {begin: "two tunnels"},
	"nmgre route replace": {begin: "one end"},
	"nmgre rule add":      {begin: "one end"},
	"nmgre rule delete":   {begin: "routes and rules from files"},
	"nmgre verify":        {begin: "both ends, and an sshd at linux2"},
}

// typedPrograms are the programs that a text may tell its reader to type.
var typedPrograms = setOf("nmgre nmcli ip nft ping sysctl bridge tcpdump conntrack nstat dmesg modprobe lsmod ls cat printf " +
	"ansible ansible-playbook ansible-doc ansible-galaxy systemctl journalctl firewall-cmd apt dpkg rpm apk make go git ssh scp man less " +
	"testdata/lab/lab.sh testdata/lab/test.sh testdata/faults.sh")

func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// elsewhere are the lines that the lab's hosts cannot type, by how they begin, without sudo. Those
// of make, go and testdata are for who has the source: TestTypedLines checks that their targets,
// packages and files are there.
var elsewhere = map[string]string{
	"make ": "for the source; its target is there", "go ": "for the source; its packages are there", "testdata/": "for the source; the script is there",
	"systemctl ":  "the lab's hosts have no systemd; TestLabPackages has systemd check the units",
	"journalctl ": "the lab's hosts have no systemd", "apt ": "TestLabPackages types it", "firewall-cmd ": "the lab's hosts have no firewalld",
	"ansible-playbook ": "TestLabAnsibleStar has Ansible do so, from the collection", "ansible-galaxy ": "as ansible-playbook",
	"ansible-doc ":            "testdata/ansible.sh types it, with the collection in place",
	"man ":                    "the lab's hosts have no packages, which install the pages; nmgre help shows the same",
	"ip proto 47":             "a filter of tcpdump's, and no program",
	"nmcli connection modify": "a command's name", "ip tunnel add": "a command's name", "ip link add": "a command's name",
	"nmgre helper gre1 routes SNAT forwarding": "what polkit's question shows; pkexec alone may call it",
}

// whyElsewhere returns the key of elsewhere for a line, or the empty string.
func whyElsewhere(line string) string {
	line = strings.TrimPrefix(line, "sudo ")
	for begin := range elsewhere {
		if line == begin || strings.HasSuffix(begin, " ") && strings.HasPrefix(line, begin) || begin == "testdata/" && strings.HasPrefix(line, begin) {
			return begin
		}
	}
	return ""
}

// placeholders stand in sentences for a reader's own values; the lab types these instead.
var placeholders = map[string]string{
	"NAME": "gre1", "IFNAME": "tun0", "REMOTE": "100.0.2.100", "LOCAL": "100.0.1.100", "INNER": "172.16.0.1", "PEER": "172.16.0.2", "LAN": "10.10.1.1",
	"BEHIND": "10.10.2.100", "DESTINATION": "10.10.2.100", "DEST": "10.10.2.100", "PARENT": "eth0", "ADDR": "203.0.113.2", "KIND": "cisco-ios",
	"FILE": "tunnels.yaml", "COMMAND": "create", "TOPIC": "routes", "SIZE": "1400", "HOST": "linux2", "ADDRESS": "10.10.2.100",
}

// filled returns the line with the placeholders filled.
func filled(line string) string {
	words := strings.Split(line, " ")
	for i, word := range words {
		if instead, ok := placeholders[word]; ok {
			words[i] = instead
		}
		if words[i] == "tunnels.yaml" && slices.Contains(words, "import") {
			words[i] = "/etc/rc.local"
		}
	}
	return strings.Join(words, " ")
}

// simpleCommands returns the words of each command of a shell's line: quotes are gone, and so are
// redirections and remarks.
func simpleCommands(line string) (commands [][]string, err error) {
	var words []string
	word, inWord, redirected := "", false, false
	endWord := func() {
		if inWord && !redirected {
			words = append(words, word)
		}
		redirected = redirected && !inWord
		word, inWord = "", false
	}
	endCommand := func() {
		if endWord(); len(words) > 0 {
			commands = append(commands, words)
		}
		words = nil
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'' || c == '"':
			length := strings.IndexByte(line[i+1:], c)
			if length < 0 {
				return nil, fmt.Errorf("a quote is not closed: %s", line)
			}
			word, inWord = word+line[i+1:i+1+length], true
			i += length + 1
		case c == ' ':
			endWord()
		case c == '#' && !inWord:
			endCommand()
			return commands, nil
		case strings.ContainsRune("|&;", rune(c)):
			endCommand()
		case c == '>' || c == '<':
			endWord()
			redirected = true
		default:
			word, inWord = word+string(c), true
		}
	}
	endCommand()
	return commands, nil
}

// wrongWords returns nmgre's own error about its flags and arguments, without carrying anything
// out.
func wrongWords(words []string) error {
	root := (&app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, root: "/nowhere"}).rootCommand(words)
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if cmd == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return fmt.Errorf("there is no command %s", rest[0])
	}
	if err := cmd.ParseFlags(rest); errors.Is(err, pflag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// wrongLine checks a line as far as that can be done without the lab.
func wrongLine(line string) error {
	commands, err := simpleCommands(line)
	if err != nil {
		return err
	}
	for _, words := range commands {
		if words[0] == "sudo" {
			words = words[1:]
		}
		switch {
		case len(words) == 0 || !typedPrograms[words[0]]:
			return fmt.Errorf("the test knows no program %q", words)
		case words[0] == "nmgre":
			err = wrongWords(words[1:])
		case words[0] == "make":
			err = wrongTargets(words[1:])
		case words[0] == "go" || strings.HasPrefix(words[0], "testdata/"):
			err = missingFiles(words)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wrongTargets checks the targets of make.
func wrongTargets(words []string) error {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		return err
	}
	for _, word := range words {
		if !strings.Contains(word, "=") && !regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(word)+`:`).Match(makefile) {
			return fmt.Errorf("Makefile has no target %s", word)
		}
	}
	return nil
}

// missingFiles checks that the files and folders of the source are there that a line names.
func missingFiles(words []string) error {
	for _, word := range words {
		word = strings.TrimSuffix(word, "/...")
		if strings.HasPrefix(word, "./") || strings.HasPrefix(word, "testdata/") {
			if _, err := os.Stat("../../" + word); err != nil {
				return err
			}
		}
	}
	return nil
}

// isName reports whether code in a sentence names a command, and is no line to type.
func isName(line string) bool {
	words := strings.Fields(strings.TrimPrefix(line, "sudo "))
	if words[0] != "nmgre" || strings.Contains(line, " -") {
		return false
	}
	if len(words) == 2 && setOf("create apply plan")[words[1]] { // they have flags that must be given
		return true
	}
	cmd, rest, err := (&app{}).rootCommand(words[1:]).Find(words[1:])
	return err == nil && len(rest) == 0 && (cmd.ValidateArgs(nil) != nil || !cmd.Runnable())
}

// looseLines returns the command lines within the sentences of all pages that stand nowhere else,
// each once, as the lab types them.
func looseLines(pages []typedPage) (lines []typedLine) {
	seen := make(map[string]bool)
	for _, p := range pages {
		for _, s := range p.sittings {
			for _, line := range s.lines {
				text, _, _ := strings.Cut(line.text, "  ")
				seen[strings.TrimSpace(text)] = true
			}
		}
	}
	for _, p := range pages {
		for _, line := range p.loose {
			line.text = filled(line.text)
			line.skip = elsewhere[whyElsewhere(line.text)]
			if !seen[line.text] && !isName(line.text) && !strings.Contains(line.text, "...") {
				lines = append(lines, line)
			}
			seen[line.text] = true
		}
	}
	return lines
}

// Every command line that a reader is told to type is one that the lab types, or stands in the
// table elsewhere, and its parts that can be seen without the lab are right: nmgre's commands,
// flags and arguments, make's targets, and the files that it names.
func TestTypedLines(t *testing.T) {
	pages := typedPages(t)
	count, used := 0, make(map[string]bool)
	check := func(line typedLine, text string) {
		count++
		used[whyElsewhere(text)] = true
		if err := wrongLine(text); err != nil && whyElsewhere(text) != text {
			t.Errorf("%s: %s: %v", line.where, line.text, err)
		}
	}
	for _, p := range pages {
		for _, problem := range p.problems {
			t.Error(problem)
		}
		for _, s := range p.sittings {
			if startStates[s.begin] == nil {
				t.Errorf("%s begins with %q; there are %q", p.name, s.begin, slices.Sorted(maps.Keys(startStates)))
			}
			for _, line := range s.lines {
				check(line, line.text)
			}
		}
		for _, line := range p.loose {
			if !isName(line.text) {
				check(line, strings.ReplaceAll(filled(line.text), " ...", ""))
			}
		}
	}
	for begin, why := range elsewhere {
		if !used[begin] || why == "" {
			t.Errorf("elsewhere has %q, and no text has such a line", begin)
		}
	}
	t.Logf("%d lines, %d of them in sentences alone", count, len(looseLines(pages)))
	if count < 200 {
		t.Errorf("only %d lines were found", count)
	}
}

// A page's lines are found where they stand, with their hosts, and remarks that mean nothing are
// named.
func TestReadPage(t *testing.T) {
	const fence = "```"
	p := readPage("x.md", "Type `nmgre list`, or `nmgre\nshow NAME`; `nmgre` is a name.\n\n"+
		"<!-- lab: begin: both ends; exit 3 -->\n"+fence+"sh linux2\n# a remark\nnmgre verify gre1 \\\n  --all-checks\nlinux1# nmgre up gre1   # again\n"+fence+"\n"+
		fence+"text\nlan1# ping -c 1 10.10.2.100\n1 received\n"+fence+"\n\n    make demo   # shows it\n    not a command\n\n"+
		"<!-- lab: file a.yaml -->\n"+fence+"yaml\na: 1\n"+fence+"\n<!-- lab: sometimes -->\n"+fence+"sh linux3\nnmgre list\n"+fence+"\n")
	want := []sitting{{"both ends", []typedLine{
		{"x.md:7", "linux2", "nmgre verify gre1 --all-checks", 0, ""}, {"x.md:9", "linux1", "nmgre up gre1   # again", 3, ""},
		{"x.md:12", "lan1", "ping -c 1 10.10.2.100", 0, ""}, {"x.md:16", "linux1", "make demo   # shows it", 0, elsewhere["make "]}, {"x.md:25", "linux3", "nmgre list", 0, ""},
	}}}
	if got := fmt.Sprintf("%v", p.sittings); got != fmt.Sprintf("%v", want) {
		t.Errorf("the lines are\n%v, want\n%v", got, want)
	}
	if got, want := fmt.Sprint(p.loose), "[{x.md:1 linux1 nmgre list 0 } {x.md:1 linux1 nmgre show NAME 0 }]"; got != want {
		t.Errorf("in sentences there are %s, want %s", got, want)
	}
	if p.files["a.yaml"] != "a: 1\n" {
		t.Errorf("the files are %q", p.files)
	}
	if got, want := strings.Join(p.problems, "\n"), "x.md:23: no remark for the lab: \"sometimes\"\nx.md:24: there is no host \"linux3\""; got != want {
		t.Errorf("the problems are\n%s, want\n%s", got, want)
	}
}

// The fault of a line is seen without the lab.
func TestWrongLine(t *testing.T) {
	for line, part := range map[string]string{
		"nmgre create --pear 1.2.3.4 --address 172.16.0.1/30": "unknown flag: --pear",
		"nmgre creat --peer 1.2.3.4":                          "there is no command creat",
		"nmgre up|down|delete gre1":                           "the tunnel's name is missing",
		"nmgre verify gre1 gre2":                              "one tunnel at a time",
		"sudo nmgre doctor gre1":                              "unexpected argument gre1",
		"nmgre edit gre1 --mtu many":                          "",
		"nmgre export > a.yaml && nmgre lst":                  "there is no command lst",
		"nmgre create --route '10.0.0.0/8":                    "a quote is not closed",
		"make tests":                                          "no target tests",
		"go test ./nn":                                        "no such file",
		"testdata/lab/lob.sh serve":                           "no program",
		"ifconfig gre1":                                       "no program",
		"nmgre route add gre1 10.0.0.0/8 metric 5  # a > b":   "",
		"nmgre create --dry-run --help":                       "",
		"nmgre export | nmgre apply -f - --json":              "",
	} {
		if err := wrongLine(line); part == "" && err != nil || part != "" && (err == nil || !strings.Contains(err.Error(), part)) {
			t.Errorf("%s: %v, want %q", line, err, part)
		}
	}
}
