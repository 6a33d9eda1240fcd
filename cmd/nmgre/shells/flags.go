package shells

import (
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre/routes/fault"
)

// Fixed offers a flag's fixed values.
func Fixed(cmd *cobra.Command, name string, values []string) {
	// It fails only for a flag that does not exist, and the tests would show that.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// files are the flags whose values are files. devices are those whose values are this host's
// network devices.
var (
	files   = []string{"file", "routes-from", "rules-from"}
	devices = []string{"parent", "controller"}
)

// Flags keeps a shell from offering files where none is wanted, as the value of a flag or as a
// word, and has it offer devices where these are. The line is what was typed: only a shell that
// completes needs it.
func Flags(root *cobra.Command, line []string) {
	if len(line) == 0 || !strings.HasPrefix(line[0], cobra.ShellCompRequestCmd) {
		return
	}
	for _, cmd := range append(root.Commands(), root) {
		ofCommand(cmd)
		for _, below := range cmd.Commands() {
			ofCommand(below)
		}
	}
}

func ofCommand(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !cmd.HasSubCommands() && cmd.Name() != "import" { // which reads files
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, has := cmd.GetFlagCompletionFunc(f.Name); has || slices.Contains(files, f.Name) {
			return
		}
		offer := cobra.NoFileCompletions
		if slices.Contains(devices, f.Name) {
			offer = ofDevices
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, offer) // the flag is there
	})
}

// ofDevices offers the names of this host's network devices, without lo.
func ofDevices(_ *cobra.Command, _ []string, begun string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	interfaces, _ := net.Interfaces() // without an answer there is nothing to offer
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 && strings.HasPrefix(i.Name, begun) && fault.Printable(i.Name) == i.Name && !strings.ContainsAny(i.Name, misread+" ") {
			names = append(names, i.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
