// Package shells has the command that prints scripts for the completion of shells.
package shells

import (
	"bytes"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nmgre/routes/fault"
)

// names are the shells that completion writes scripts for.
var names = []string{"bash", "zsh", "fish"}

// cobra hands the word on as it was typed, with the quotes and backslashes of fish, which no name
// has.
const (
	fishTyped = "(string escape -- (commandline -ct))"
	fishMeant = "(string escape -- (string unescape -- (commandline -ct); or commandline -ct))"
)

func writeFish(root *cobra.Command, out io.Writer) error {
	var script bytes.Buffer
	if err := root.GenFishCompletion(&script, true); err != nil {
		return err
	}
	_, err := io.WriteString(out, strings.Replace(script.String(), fishTyped, fishMeant, 1))
	return err
}

// Command returns the command completion, which prints to out.
func Command(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "print a script that completes commands, flags and tunnels' names in bash, zsh or fish",
		Long: `completion prints a script for your shell. To use it in every new shell, unless nmgre's package
or make install has brought it along:

  bash  nmgre completion bash > /usr/local/share/bash-completion/completions/nmgre
  zsh   nmgre completion zsh > /usr/local/share/zsh/site-functions/_nmgre
  fish  nmgre completion fish > /usr/local/share/fish/vendor_completions.d/nmgre.fish`,
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return &fault.Error{Kind: fault.ErrInvalid, What: "the shell is missing", Hint: "write it as: nmgre completion " + strings.Join(names, "|")}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return writeFish(root, out)
			}
			return &fault.Error{Kind: fault.ErrInvalid, What: "there is no completion for " + fault.Printable(args[0]), Hint: fault.Choice(args[0], "shells", names, nil)}
		},
	}
}
