//go:build man

package printed

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre/cmd/nmgre/manual"
)

// page is a page of the manual.
type page struct {
	name    string // such as nmgre-create
	section string // 7 for topics, 8 for commands, empty for a page that is no manual page
	about   string // a few words
	blocks  []manual.Block
}

// title is how others name the page.
func (p page) title() string {
	switch {
	case p.name == index:
		return "nmgre"
	case p.section == "":
		return p.name
	}
	return p.name + "(" + p.section + ")"
}

// file is the name of the page's file, without the ending of its format.
func (p page) file() string { return strings.TrimSuffix(p.name+"."+p.section, ".") }

// about has the topics that go with a command.
var about = map[string][]string{
	"create": {"start", "routes", "ends", "verify", "recipes"}, "edit": {"routes", "ends", "survives"}, "pair": {"pair"}, "follow": {"ends"},
	"route": {"routes"}, "rule": {"routes"}, "verify": {"verify"}, "doctor": {"start", "root"}, "list": {"json"}, "show": {"notations", "json"},
	"import": {"notations"}, "adopt": {"notations"}, "apply": {"document"}, "plan": {"document"}, "export": {"document"},
	"install-hook": {"hook", "root"}, "remove-hook": {"hook"}, "up": {"hook"}, "down": {"hook", "survives"}, "delete": {"survives"},
}

// pages returns all pages: those of the commands, and those of the topics.
func pages(root *cobra.Command) []page {
	list := commands(root)
	for _, topic := range manual.Topics() {
		text, _ := manual.Page(topic.Name)
		p := page{name: "nmgre-" + topic.Name, section: "7", about: topic.About, blocks: manual.Blocks(text)[1:]}
		also := []string{"nmgre(8)"}
		for name, topics := range about {
			if slices.Contains(topics, topic.Name) {
				also = append(also, "nmgre-"+name+"(8)")
			}
		}
		p.blocks = append(p.blocks, seeAlso(also)...)
		list = append(list, p)
	}
	return list
}

// commands returns the pages of a command and of those below it.
func commands(cmd *cobra.Command) []page {
	list := []page{ofCommand(cmd)}
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			list = append(list, commands(below)...)
		}
	}
	return list
}

func ofCommand(cmd *cobra.Command) page {
	cmd.InitDefaultHelpFlag()
	p := page{name: dashed(cmd), section: "8", about: cmd.Short}
	p.add("Synopsis", manual.Block{Kind: manual.Code, Text: cmd.UseLine()})
	long := cmd.Long
	if long == "" {
		long = strings.ToUpper(cmd.Short[:1]) + cmd.Short[1:] + "."
	}
	p.add("Description", literal(long)...)
	p.add("Commands", below(cmd)...)
	p.add("Options", options(cmd.NonInheritedFlags())...)
	p.add("Options of all commands", options(cmd.InheritedFlags())...)
	if cmd.Example != "" {
		p.add("Examples", manual.Block{Kind: manual.Code, Text: strings.ReplaceAll("\n"+cmd.Example, "\n  ", "\n")[1:]})
	}
	if cmd.Name() == "nmgre" {
		text, _ := manual.Page("files")
		p.blocks = append(p.blocks, manual.Blocks(text)[1:]...)
	}
	if also := related(cmd); len(also) > 0 {
		p.blocks = append(p.blocks, seeAlso(also)...)
	}
	return p
}

// below is a table of the commands below one; nothing if there are none.
func below(cmd *cobra.Command) []manual.Block {
	rows := [][]string{{"command", "what it does"}}
	for _, one := range cmd.Commands() {
		if one.IsAvailableCommand() {
			rows = append(rows, []string{"[" + dashed(one) + "(8)](" + dashed(one) + ".8)", manual.Literal(one.Short)})
		}
	}
	if len(rows) == 1 {
		return nil
	}
	return []manual.Block{{Kind: manual.Table, Rows: rows}}
}

// add adds a section, unless it is empty.
func (p *page) add(title string, blocks ...manual.Block) {
	if len(blocks) > 0 {
		p.blocks = append(append(p.blocks, manual.Block{Kind: manual.Heading, Level: 2, Text: title}), blocks...)
	}
}

func dashed(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// related are the pages that a reader of the command's page may want next.
func related(cmd *cobra.Command) (titles []string) {
	if cmd.HasParent() {
		titles = append(titles, dashed(cmd.Parent())+"(8)")
	}
	topics := about[cmd.Name()]
	if cmd.Name() == "nmgre" {
		for _, topic := range manual.Topics() {
			topics = append(topics, topic.Name)
		}
	}
	for _, name := range topics {
		titles = append(titles, "nmgre-"+name+"(7)")
	}
	return titles
}

// seeAlso is the last section of a page, with links.
func seeAlso(titles []string) []manual.Block {
	slices.Sort(titles)
	links := make([]string, len(titles))
	for i, title := range titles {
		links[i] = "[" + title + "](" + strings.NewReplacer("(", ".", ")", "").Replace(title) + ")"
	}
	return []manual.Block{{Kind: manual.Heading, Level: 2, Text: "See also"}, {Text: strings.Join(links, ", ")}}
}

// options is a table of flags; nothing if there are none.
func options(flags *pflag.FlagSet) []manual.Block {
	rows := [][]string{{"option", "meaning"}}
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Deprecated != "" {
			return
		}
		name, usage := pflag.UnquoteUsage(flag)
		words := "--" + flag.Name
		if flag.Shorthand != "" {
			words = "-" + flag.Shorthand + "`, `" + words
		}
		if name != "" {
			words += " " + name
		}
		if flag.DefValue != "" && flag.DefValue != "false" && flag.DefValue != "[]" && flag.DefValue != "0" && flag.DefValue != "0s" {
			usage += " (default " + flag.DefValue + ")"
		}
		rows = append(rows, []string{"`" + words + "`", manual.Literal(usage)})
	})
	if len(rows) == 1 {
		return nil
	}
	return []manual.Block{{Kind: manual.Table, Rows: rows}}
}

// literal returns the parts of a text as --help shows it: without marks, and indented lines as they
// stand.
func literal(text string) (list []manual.Block) {
	for _, part := range strings.Split(text, "\n\n") {
		for part != "" {
			var b manual.Block
			b, part = literalBlock(part)
			list = append(list, b)
		}
	}
	return list
}

// literalBlock returns the first block of a paragraph, and the lines behind it.
func literalBlock(text string) (manual.Block, string) {
	lines := strings.Split(text, "\n")
	indented := func(line string) bool { return strings.HasPrefix(line, "  ") }
	isItem := strings.HasPrefix(text, "- ")
	isCode := indented(text)
	n := 1
	for n < len(lines) && !strings.HasPrefix(lines[n], "- ") && (indented(lines[n]) == isCode || isItem) {
		n++
	}
	rest := strings.Join(lines[n:], "\n")
	switch {
	case isCode:
		return manual.Block{Kind: manual.Code, Text: strings.ReplaceAll("\n"+strings.Join(lines[:n], "\n"), "\n  ", "\n")[1:]}, rest
	case isItem:
		return manual.Block{Kind: manual.Item, Mark: "-", Text: words(lines[:n])[2:]}, rest
	}
	return manual.Block{Text: words(lines[:n])}, rest
}

// words joins lines to one.
func words(lines []string) string {
	return manual.Literal(strings.Join(strings.Fields(strings.Join(lines, " ")), " "))
}
