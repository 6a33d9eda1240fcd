// Package shell splits a shell script into commands and their words, and never runs any of them. It
// knows quotes, comments, joined lines, and variables that the script assigns itself; a word that
// only a running shell could know makes its command one that cannot be understood. It is pure.
package shell

import (
	"fmt"
	"strings"

	"nmgre/nm/notation"
)

// Command is one command of a script.
type Command struct {
	First, Last int      // the indexes of its lines
	Words       []string // without redirections, and with variables replaced
	To          string   // the file that its output goes to, if it is redirected
	// Bad says why the command cannot be understood; empty if it can.
	Bad string
	// Assigned are the variables that a command without a word assigns, in their order.
	Assigned [][2]string
	// Else says that the command runs only if the one before it fails.
	Else bool
	// Frame says that it is no command, but a word that ends a block, such as fi.
	Frame bool
	Piped bool // it reads the output of the command before it
	// Here says that the command's input stands in the script below it, outside of any block. It is
	// Bad for a reader that knows no such input.
	Here  bool
	Input bool // it is a line of such an input, or of that of a command in a block
}

const (
	maxValue = 1024 // bytes of a variable's value
	maxWords = 4096 // of a command
	maxDepth = 1000 // blocks in blocks

	usualWords = 8 // of a command: room for them is made at once
)

// Split splits lines into commands, and hands each to use, which may keep its words and nothing
// else. Values are those of variables that are known before.
func Split(lines []notation.Line, values map[string]string, use func(*Command)) {
	s := &splitter{lines: lines, values: map[string]string{}, budget: 4096, use: use}
	for i := range lines {
		s.budget += 8 * len(lines[i].Text)
	}
	for name, value := range values {
		s.values[name] = value
	}
	for s.line = 0; s.line < len(lines); s.line++ {
		s.text, s.at = lines[s.line].Text, 0
		s.statement()
	}
}

type splitter struct {
	lines    []notation.Line
	line     int
	text     string
	at       int
	values   map[string]string
	use      func(*Command)
	now      Command
	done     Command // the command that is handed over
	word     strings.Builder
	whole    string // the word, where all of it is plain
	inWord   bool
	quoted   bool // part of the word stood in quotes
	redirect byte // the next word is the file of a redirection
	until    []string
	depth    []string // the words that opened blocks: if, for, ...
	lost     bool     // more blocks are open than are remembered
	framed   bool     // the command begins with a word that opens or closes a block
	budget   int      // how many bytes the values of variables may still add
}

// statement reads the line, and those that it is joined with.
func (s *splitter) statement() {
	s.begin()
	for {
		if s.at >= len(s.text) {
			break
		}
		c := s.text[s.at]
		switch {
		case c == '\\':
			s.escape()
		case c == '\'':
			s.single()
		case c == '"':
			s.double()
		case c == '$':
			s.variable()
		case c == '`':
			s.substitution("`")
		case c == '#' && !s.inWord:
			s.at = len(s.text)
		case c == ' ' || c == '\t':
			s.endWord()
			s.at++
		case c == ';' || c == '|' || c == '&':
			s.operator(c)
		case c == '<' || c == '>':
			s.redirection(c)
		case c == '(' || c == ')':
			s.bracket(c)
		default:
			s.plain()
		}
	}
	s.end()
	s.hereDocuments()
}

// plain reads bytes without a meaning to a shell. A whole word of them shares its line's memory.
func (s *splitter) plain() {
	end := s.at + 1
	for end < len(s.text) && strings.IndexByte("\\'\"$`#;|&<>() \t", s.text[end]) < 0 {
		end++
	}
	run := s.text[s.at:end]
	s.at = end
	if !s.inWord && (end == len(s.text) || s.text[end] == ' ' || s.text[end] == '\t') {
		s.whole, s.inWord = run, true
		return
	}
	s.inWord = true
	s.word.WriteString(run)
}

func (s *splitter) begin() { s.now = Command{First: s.line} }

func (s *splitter) add(c byte) {
	s.inWord = true
	s.word.WriteByte(c)
	s.at++
}

// escape reads a backslash. At the end of a line it joins the next one.
func (s *splitter) escape() {
	if s.at+1 < len(s.text) {
		s.at++
		s.add(s.text[s.at])
		s.quoted = true
		return
	}
	if !s.nextLine() {
		s.at = len(s.text)
	}
}

// nextLine goes on with the next line of the same file.
func (s *splitter) nextLine() bool {
	if s.line+1 >= len(s.lines) || s.lines[s.line+1].File != s.lines[s.line].File {
		return false
	}
	s.line++
	s.text, s.at = s.lines[s.line].Text, 0
	return true
}

func (s *splitter) single() {
	s.inWord, s.quoted = true, true
	for s.at++; ; s.at++ {
		for s.at >= len(s.text) {
			s.word.WriteByte('\n')
			if !s.nextLine() {
				s.bad("a ' is not closed")
				return
			}
		}
		if s.text[s.at] == '\'' {
			s.at++
			return
		}
		s.word.WriteByte(s.text[s.at])
	}
}

func (s *splitter) double() {
	s.inWord, s.quoted = true, true
	s.at++
	for {
		for s.at >= len(s.text) {
			s.word.WriteByte('\n')
			if !s.nextLine() {
				s.bad("a \" is not closed")
				return
			}
		}
		switch c := s.text[s.at]; c {
		case '"':
			s.at++
			return
		case '$':
			s.variable()
		case '`':
			s.substitution("`")
		case '\\':
			s.doubleEscape()
		default:
			s.add(c)
		}
	}
}

// doubleEscape reads a backslash inside double quotes, where it counts before few characters.
func (s *splitter) doubleEscape() {
	if s.at+1 >= len(s.text) {
		if !s.nextLine() {
			s.at = len(s.text)
		}
		return
	}
	if strings.IndexByte("$`\"\\", s.text[s.at+1]) >= 0 {
		s.at++
	}
	s.add(s.text[s.at])
}

// variable reads $NAME or ${NAME}.
func (s *splitter) variable() {
	s.inWord = true
	rest := s.text[s.at+1:]
	if strings.HasPrefix(rest, "(") {
		s.substitution("$(")
		return
	}
	name, length := "", 0
	if strings.HasPrefix(rest, "{") {
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			s.bad("a ${ is not closed")
			s.at = len(s.text)
			return
		}
		name, length = rest[1:end], end+1
	} else {
		for length < len(rest) && isNameByte(rest[length]) {
			length++
		}
		if length == 0 && rest != "" { // $1, $?, $@
			length = 1
		}
		name = rest[:length]
	}
	s.at += 1 + length
	value, known := s.values[name]
	switch {
	case name == "":
		s.word.WriteByte('$')
	case !known:
		s.bad(fmt.Sprintf("the variable %s has no value in this input", notation.Word(name)))
	case len(value) > s.budget:
		s.bad("the variables make the script too large")
	default:
		s.budget -= len(value)
		s.word.WriteString(value)
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// substitution refuses a command inside a command, and skips to its end in this line.
func (s *splitter) substitution(opens string) {
	s.bad("it needs the output of a command (" + opens + "), and nothing of the input is run")
	s.inWord = true
	closes := opens
	if opens == "$(" {
		closes = ")"
	}
	s.at += len(opens)
	if end := strings.Index(s.text[s.at:], closes); end >= 0 {
		s.at += end + len(closes)
	} else {
		s.at = len(s.text)
	}
}

func (s *splitter) bad(why string) {
	if s.now.Bad == "" {
		s.now.Bad = why
	}
}

// operator ends a command at ;, |, || or &&.
func (s *splitter) operator(c byte) {
	double := s.at+1 < len(s.text) && s.text[s.at+1] == c
	s.end()
	s.at++
	if double {
		s.at++
	}
	s.begin()
	s.now.Else, s.now.Piped = c == '|' && double, c == '|' && !double
}

// redirection reads < or >, whose file is the next word. A number before it is that of a file.
func (s *splitter) redirection(c byte) {
	if s.inWord && !s.quoted && isDigits(s.word.String()) {
		s.word.Reset()
		s.inWord = false
	}
	s.endWord()
	s.at++
	switch rest := s.text[s.at:]; {
	case c == '<' && strings.HasPrefix(rest, "<"):
		s.at++
		if s.at < len(s.text) && s.text[s.at] == '-' {
			s.at++
		}
		c = 'h'
	case strings.HasPrefix(rest, ">"):
		s.at++
	case strings.HasPrefix(rest, "&"):
		s.at++
	}
	s.redirect = c
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// bracket reads ( or ): a subshell, or the brackets of a function.
func (s *splitter) bracket(c byte) {
	if s.inWord && c == '(' && strings.HasPrefix(s.text[s.at:], "()") {
		s.word.Reset()
		s.inWord, s.quoted = false, false
		s.now.Words = append(s.now.Words, "function")
		s.at += 2
		s.end()
		s.begin()
		return
	}
	s.end()
	s.at++
	s.begin()
	if c == '(' {
		s.enter("(")
	} else {
		s.leave("(")
	}
}

// endWord ends a word, if there is one.
func (s *splitter) endWord() {
	if !s.inWord {
		return
	}
	word := s.whole
	if word == "" {
		word = s.word.String()
	}
	quoted := s.quoted
	s.word.Reset()
	s.whole = ""
	s.inWord, s.quoted = false, false
	switch redirect := s.redirect; {
	case redirect == 'h':
		s.until = append(s.until, word)
		s.now.Here = s.now.Bad == ""
		s.bad("its input is in the script")
	case redirect == '>':
		s.now.To = word
	case redirect != 0:
	case !quoted && len(s.now.Words) == 0 && s.keyword(word):
		return
	case len(s.now.Words) >= maxWords:
		s.bad("it has too many words")
	default:
		if s.now.Words == nil {
			s.now.Words = make([]string, 0, usualWords)
		}
		s.now.Words = append(s.now.Words, word)
	}
	s.redirect = 0
}

// keyword reads a word that opens or closes a block, at the beginning of a command.
func (s *splitter) keyword(word string) bool {
	switch word {
	case "if", "for", "while", "until", "case", "select", "{":
		s.enter(word)
		s.now.Words = append(s.now.Words, word)
		if word == "{" {
			s.now.Words = nil
		}
	case "fi":
		s.leave("if")
	case "done":
		s.leave("for", "while", "until", "select")
	case "esac":
		s.leave("case")
	case "}":
		s.leave("{")
	case "then", "else", "do", "!", "time":
	case "elif":
		s.now.Words = append(s.now.Words, "if")
	default:
		return false
	}
	s.framed = true
	return true
}

// enter opens a block. In a script that opens more than maxDepth, nothing counts any more.
func (s *splitter) enter(word string) {
	if len(s.depth) < maxDepth {
		s.depth = append(s.depth, word)
		return
	}
	s.lost = true
}

// leave closes the innermost block that one of the words has opened.
func (s *splitter) leave(words ...string) {
	for i := len(s.depth) - 1; i >= 0; i-- {
		for _, word := range words {
			if s.depth[i] == word {
				s.depth = s.depth[:i]
				return
			}
		}
	}
}

// end ends a command, if there is one.
func (s *splitter) end() {
	s.endWord()
	s.redirect = 0
	s.done = s.now
	c := &s.done
	c.Last = s.line
	s.begin()
	framed := s.framed || len(c.Words) == 1 && c.Words[0] == "function"
	s.framed = false
	if framed && c.Bad == "" && len(c.Words) < 2 && (len(c.Words) == 0 || c.Words[0] == "function") {
		s.use(&Command{First: c.First, Last: c.Last, Frame: true})
		return
	}
	if len(c.Words) == 0 && c.Bad == "" {
		return
	}
	if s.lost && c.Bad == "" {
		c.Bad = "the script opens too many blocks"
	}
	c.Here = c.Here && len(s.depth) == 0 && !s.lost && !c.Else
	if len(s.depth) > 0 && c.Bad == "" {
		c.Bad = s.inside()
	}
	if c.Bad == "" {
		s.assign(c)
	}
	s.use(c)
}

// inside says that a command is in a block, so that nobody knows whether it runs.
func (s *splitter) inside() string {
	opened := s.depth[len(s.depth)-1]
	if opened == "{" || opened == "(" {
		return "it is inside a function or a group, and nothing says whether it runs"
	}
	return "it is inside " + opened + ", and nothing of the input is run to find out whether it counts"
}

// assign keeps the variables that a command assigns.
func (s *splitter) assign(c *Command) {
	words := c.Words
	if len(words) > 1 && (words[0] == "export" || words[0] == "local" || words[0] == "readonly" || words[0] == "declare") {
		words = words[1:]
	}
	var pairs [][2]string
	for _, word := range words {
		name, value, found := strings.Cut(word, "=")
		if !found || !IsName(name) {
			return
		}
		pairs = append(pairs, [2]string{name, value})
	}
	for _, pair := range pairs {
		if len(pair[1]) > maxValue {
			c.Bad = "the value of " + notation.Word(pair[0]) + " is too long"
			return
		}
		s.values[pair[0]] = pair[1]
	}
	c.Words, c.Assigned = nil, pairs
}

// IsName says whether a shell could have a variable of that name.
func IsName(name string) bool {
	for i := range len(name) {
		if !isNameByte(name[i]) || i == 0 && name[0] >= '0' && name[0] <= '9' {
			return false
		}
	}
	return name != ""
}

const inputOf = "it is the input of another command"

// hereDocuments skips the lines that are the input of commands.
func (s *splitter) hereDocuments() {
	for _, word := range s.until {
		for s.nextLine() {
			if strings.TrimLeft(s.text, "\t") == word {
				s.use(&Command{First: s.line, Last: s.line, Bad: inputOf, Input: true, Frame: true})
				break
			}
			s.use(&Command{First: s.line, Last: s.line, Bad: inputOf, Input: true})
		}
	}
	s.until = nil
}
