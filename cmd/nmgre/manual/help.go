package manual

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/suggest"
)

// Help makes root's command help explain topics, too. The paper is that of standard output.
func Help(root *cobra.Command, paper func() Paper) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			teach(cmd, paper)
		}
	}
}

func teach(cmd *cobra.Command, paper func() Paper) {
	ofCommands, complete := cmd.Run, cmd.ValidArgsFunction
	cmd.Use = "help [COMMAND|TOPIC]"
	cmd.Short = "explain a command or a topic"
	cmd.Long = `help explains a command, as its --help does, or a topic: a subject that several commands have to do
with. Without a word it lists the commands and the topics. Manual pages have the same text:
nmgre help routes is nmgre-routes(7).`
	cmd.Example = "  nmgre help create\n  nmgre help routes | less"
	cmd.Run = nil
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		words = ofManPage(cmd.Root(), words)
		at, rest, _ := cmd.Root().Find(words)
		page, isTopic := Page(strings.Join(words, " "))
		isCommand := len(rest) == 0 && (len(words) == 0 || at.IsAvailableCommand() || !isTopic)
		if !isCommand && !isTopic {
			return suggest.UnknownTopic(at, rest[0], topics(at), speaking(cmd.Root(), rest[0]))
		}
		if isCommand {
			ofCommands(cmd, words)
		}
		var text string
		switch {
		case len(words) == 0:
			text = contents(paper())
		case isTopic:
			text = paper().Text(page)
		}
		if text != "" && isCommand {
			text = "\n" + text
		}
		_, err := fmt.Fprint(cmd.OutOrStdout(), text)
		return err
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, words []string, begun string) ([]string, cobra.ShellCompDirective) {
		list, directive := complete(cmd, words, begun)
		for _, topic := range Topics() {
			isCommand := func(c string) bool { return strings.HasPrefix(c, topic.Name+"\t") }
			if len(words) == 0 && strings.HasPrefix(topic.Name, begun) && !slices.ContainsFunc(list, isCommand) {
				list = append(list, topic.Name+"\t"+topic.About)
			}
		}
		return list, directive
	}
}

// ofManPage returns the words of help for a manual page's name: verify for nmgre-verify(8), and
// route add for nmgre-route-add. A topic may be written in capital letters. Other words stay.
func ofManPage(root *cobra.Command, words []string) []string {
	if len(words) != 1 {
		return words
	}
	name := strings.ToLower(words[0])
	if _, isTopic := Page(name); isTopic {
		return []string{name}
	}
	for _, end := range []string{"(8)", "(7)", ".8", ".7", ".md"} {
		name = strings.TrimSuffix(name, end)
	}
	if name == root.Name() {
		return nil
	}
	name = strings.TrimPrefix(name, root.Name()+"-")
	if _, isTopic := Page(name); isTopic {
		return []string{name}
	}
	for _, page := range [][]string{{name}, strings.SplitN(name, "-", 2)} {
		if _, rest, err := root.Find(page); err == nil && len(rest) == 0 {
			return page
		}
	}
	return words
}

// speaking returns the pages that speak most of a word: create if it has a flag of that name, and
// at most two topics.
func speaking(root *cobra.Command, word string) (pages []string) {
	const most, longest = 2, 40
	if len(word) < 2 || len(word) > longest {
		return nil
	}
	whole, err := regexp.Compile(`(?i)(^|[^\pL\pN])` + regexp.QuoteMeta(word) + `([^\pL\pN]|$)`)
	if err != nil {
		return nil
	}
	counts := make(map[string]int)
	for _, name := range names {
		counts[name] = density(name, whole)
	}
	speak := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return counts[name] == 0 })
	slices.SortStableFunc(speak, func(a, b string) int { return counts[b] - counts[a] })
	if create, _, err := root.Find([]string{"create"}); err == nil && create.Flags().Lookup(strings.ToLower(word)) != nil {
		pages = []string{"create"}
	}
	return append(pages, speak[:min(len(speak), most)]...)
}

// density returns how much of a topic is about a word. Headings count more than sentences, and
// these more than tables and what is typed. The longer a page is, the more of it is needed.
func density(name string, word *regexp.Regexp) int {
	const inHeading, inSentence, inTable = 1000, 300, 100
	const least = 60
	text, _ := Page(name)
	n, typed := 0, false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			typed = !typed
		}
		switch {
		case !word.MatchString(line):
		case typed || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "    "):
			n += inTable
		case strings.HasPrefix(line, "#"):
			n += inHeading
		default:
			n += inSentence
		}
	}
	return n / (least + strings.Count(text, "\n"))
}

// contents lists the topics.
func contents(p Paper) string {
	var b strings.Builder
	b.WriteString("Topics, for nmgre help TOPIC:\n")
	for _, topic := range Topics() {
		p := Paper{Width: max(p.Width, narrowest)}
		b.WriteString(p.folded(fmt.Sprintf("%-12s %s", topic.Name, topic.About), 2, 15))
	}
	return b.String()
}

// topics are the names that may follow the words of a command: those of all topics behind nmgre.
func topics(at *cobra.Command) []string {
	if at.HasParent() {
		return nil
	}
	return names
}
