package manual

import (
	"fmt"
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
			return suggest.UnknownCommand(at, rest[0], topics(at)...)
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
	name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "(8)"), "(7)"), ".md")
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
