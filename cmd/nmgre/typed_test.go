package main

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"nmgre/testdata/lab"
)

// The texts that have lines to type: README, the pages of the manual, and the examples of each
// command. This file finds their command lines; typed_lines_test.go checks each of them without the
// lab, and lab_typed_test.go types them there.
//
// In Markdown a block marked sh has command lines, on linux1 unless another host stands behind that
// word or before a line ("linux2# "). A line with such a host before it is a command line in every
// block, and code within a sentence is one if it begins with a program's name and has arguments. A
// remark on the line before a block says how the test types it, one or more of these, with ";"
// between them:
//
//	<!-- lab: begin: both ends -->    the hosts are as startStates says, before the block
//	<!-- lab: exit 3 -->              the exit code of its last line, instead of 0
//	<!-- lab: file mesh.yaml -->      the block is the text of this file, wherever a line names it
//	<!-- lab: skip, REASON -->        its lines cannot be typed in the lab
//
// A page begins with empty hosts.

// typedLine is a command line of a text.
type typedLine struct {
	where string // "README.md:24"
	host  lab.Host
	text  string
	code  int    // the exit code that is right
	skip  string // why the lab cannot type it
}

// sitting is a row of lines that are typed one after the other, from a known state of both hosts.
type sitting struct {
	begin string // one of startStates
	lines []typedLine
}

// typedPage is a text with command lines.
type typedPage struct {
	name     string
	sittings []sitting
	loose    []typedLine // code within sentences
	files    map[string]string
	problems []string
}

// isCommand reports whether the page is a command's.
func (p typedPage) isCommand() bool { return !strings.HasSuffix(p.name, ".md") }

const (
	emptyHosts  = "empty hosts"
	labRemark   = "<!-- lab: "
	readmePath  = "../../README.md"
	manualPages = "manual/*.md"
)

// prompt is the beginning of a command line that names its host.
var prompt = regexp.MustCompile(`^(linux1|linux2|router|lan1|lan2)# +`)

// typedPages returns README first, then the pages of the manual, then the commands.
func typedPages(t testing.TB) []typedPage {
	t.Helper()
	var pages []typedPage
	names, err := filepath.Glob(manualPages)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{readmePath}, names...) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, readPage(path.Base(name), string(data)))
	}
	return append(pages, commandPages((&app{}).rootCommand(nil))...)
}

// remarks are the words of the remark on the line before a block.
type remarks struct {
	begin, file, skip string
	code              int
}

// pageReader reads the command lines of one page.
type pageReader struct {
	typedPage
	remarks                 // before the next block
	prose   strings.Builder // the page without its blocks, line by line
}

// readPage reads a page of Markdown.
func readPage(name, text string) typedPage {
	r := &pageReader{typedPage: typedPage{name: name, files: make(map[string]string)}}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		end := i
		switch line := lines[i]; {
		case strings.HasPrefix(line, labRemark):
			r.remark(i+1, strings.TrimSuffix(strings.TrimPrefix(line, labRemark), " -->"))
		case strings.HasPrefix(line, "```"):
			end = i + 1
			for end < len(lines) && lines[end] != "```" {
				end++
			}
			r.block(i+2, strings.TrimPrefix(line, "```"), lines[i+1:min(end, len(lines))])
		case strings.HasPrefix(line, "    ") && (i == 0 || lines[i-1] == ""):
			for end < len(lines) && (lines[end] == "" || strings.HasPrefix(lines[end], "    ")) {
				end++
			}
			r.indented(i+1, lines[i:end])
			end--
		default:
			r.prose.WriteString(line)
		}
		r.prose.WriteString(strings.Repeat("\n", end-i+1))
		i = end
	}
	r.spans()
	return r.typedPage
}

func (r *pageReader) problem(at int, format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf("%s:%d: ", r.name, at)+fmt.Sprintf(format, args...))
}

// remark reads how the next block is typed.
func (r *pageReader) remark(at int, text string) {
	for word := range strings.SplitSeq(text, ";") {
		word = strings.TrimSpace(word)
		code, isExit := strings.CutPrefix(word, "exit ")
		file, isFile := strings.CutPrefix(word, "file ")
		begin, isBegin := strings.CutPrefix(word, "begin: ")
		reason, isSkip := strings.CutPrefix(word, "skip, ")
		n, err := strconv.Atoi(code)
		switch {
		case isExit && err == nil:
			r.code = n
		case isSkip && len(reason) > 10:
			r.skip = reason
		case isFile:
			r.file = file
		case isBegin && startStates[begin] != nil:
			r.begin = begin
		default:
			r.problem(at, "no remark for the lab: %q", word)
		}
	}
}

// block reads a block between fences; info is the rest of the line of the first fence.
func (r *pageReader) block(at int, info string, lines []string) {
	kind, host, _ := strings.Cut(info, " ")
	if kind == "sh" && host != "" && !prompt.MatchString(host+"# ") {
		r.problem(at-1, "there is no host %q", host)
	}
	switch {
	case r.file != "":
		r.files[r.file] = strings.Join(lines, "\n") + "\n"
	case recipeLines()[strings.Join(lines, "\n")]: // its own test types it
	default:
		r.add(at, lab.Host(cmp.Or(host, "linux1")), lines, func(line string) bool { return kind == "sh" && line != "" && line[0] != '#' })
	}
	r.remarks = remarks{}
}

// indented reads a block that has no fences.
func (r *pageReader) indented(at int, lines []string) {
	cut := make([]string, len(lines))
	for i, line := range lines {
		cut[i] = strings.TrimPrefix(line, "    ")
	}
	r.add(at, lab.Linux1, cut, func(line string) bool { return typedPrograms[firstProgram(line)] })
	r.remarks = remarks{}
}

// add adds the command lines of a block, those with a host before them and those that isCommand
// tells. A line that ends in a backslash goes on in the next one.
func (r *pageReader) add(at int, host lab.Host, lines []string, isCommand func(string) bool) {
	var found []typedLine
	for i := 0; i < len(lines); i++ {
		text, where, on := lines[i], fmt.Sprintf("%s:%d", r.name, at+i), host
		if p := prompt.FindString(text); p != "" {
			text, on = text[len(p):], lab.Host(strings.TrimRight(p, "# "))
		} else if !isCommand(text) {
			continue
		}
		for strings.HasSuffix(text, `\`) && i+1 < len(lines) {
			i++
			text = strings.TrimSuffix(text, `\`) + strings.TrimSpace(lines[i])
		}
		found = append(found, typedLine{where, on, text, 0, cmp.Or(r.skip, elsewhere[whyElsewhere(text)])})
	}
	if len(found) == 0 {
		return
	}
	found[len(found)-1].code = r.code
	if r.begin != "" || len(r.sittings) == 0 {
		r.sittings = append(r.sittings, sitting{begin: cmp.Or(r.begin, emptyHosts)})
	}
	last := &r.sittings[len(r.sittings)-1]
	last.lines = append(last.lines, found...)
}

// span is code within a sentence; a line may end in it.
var span = regexp.MustCompile("`[^`]+`")

// spans reads the code within sentences. Code that begins with a program's name and has arguments
// is a command line.
func (r *pageReader) spans() {
	prose := r.prose.String()
	for _, at := range span.FindAllStringIndex(prose, -1) {
		text := strings.ReplaceAll(prose[at[0]+1:at[1]-1], "\n", " ")
		if typedPrograms[firstProgram(text)] && len(strings.Fields(text)) > 1 {
			r.loose = append(r.loose, typedLine{fmt.Sprintf("%s:%d", r.name, strings.Count(prose[:at[0]], "\n")+1), lab.Linux1, text, 0, elsewhere[whyElsewhere(text)]})
		}
	}
}

// firstProgram returns the first word of a line, or the one behind sudo.
func firstProgram(line string) string {
	words := strings.Fields(line)
	if len(words) > 1 && words[0] == "sudo" {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// recipeLines has the lines of each recipe.
func recipeLines() map[string]bool {
	all := make(map[string]bool)
	files, _ := recipeFiles.ReadDir("testdata/recipes")
	for _, file := range files {
		data, _ := recipeFiles.ReadFile(path.Join("testdata/recipes", file.Name()))
		if parts := strings.SplitN(strings.TrimSpace(string(data)), "\n\n", 3); len(parts) == 3 {
			all[parts[2]] = true
		}
	}
	return all
}

// commandPages returns a page for each command that has examples or lines to type in its text.
func commandPages(cmd *cobra.Command) (pages []typedPage) {
	if p := commandPage(cmd); len(p.sittings) > 0 || len(p.problems) > 0 {
		pages = append(pages, p)
	}
	for _, sub := range cmd.Commands() {
		pages = append(pages, commandPages(sub)...)
	}
	return pages
}

func commandPage(cmd *cobra.Command) typedPage {
	p := typedPage{name: cmd.CommandPath()}
	how, known := examples[p.name]
	if cmd.Example != "" && !known {
		p.problems = append(p.problems, "examples has no start for those of "+p.name)
	}
	for i, line := range slices.Concat(linesToType(cmd.Example), linesToType(cmd.Long)) {
		if i == 0 || how.eachAnew {
			p.sittings = append(p.sittings, sitting{begin: cmp.Or(how.begin, emptyHosts)})
		}
		last := &p.sittings[len(p.sittings)-1]
		last.lines = append(last.lines, typedLine{p.name, lab.Linux1, line, how.codes[line], elsewhere[whyElsewhere(line)]})
	}
	return p
}

// linesToType returns the indented lines of a text that begin with a program.
func linesToType(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if words := strings.TrimSpace(line); line[0] == ' ' && typedPrograms[firstProgram(words)] {
			lines = append(lines, words)
		}
	}
	return lines
}
