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
