package main

import (
	"slices"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/far"
	"nmgre/cmd/nmgre/foreign"
	"nmgre/cmd/nmgre/release"
	"nmgre/cmd/nmgre/shells"
	"nmgre/cmd/nmgre/ssh"
	"nmgre/cmd/nmgre/watchdog"
	"nmgre/routes/asroot"
)

// maker makes the command of a name.
type maker struct {
	name string
	make func(*app) *cobra.Command
}

// makers have all commands, hidden ones too.
var makers = [...]maker{
	{"create", (*app).createCommand},
	{"pair", func(a *app) *cobra.Command { return far.Command(a.farApp()) }},
	{ssh.Command, func(a *app) *cobra.Command { return far.EndCommand(a.farApp()) }},
	{"import", func(a *app) *cobra.Command { return foreign.Command(a.foreign()) }},
	{"adopt", func(a *app) *cobra.Command { return foreign.Adopt(a.foreign()) }},
	{"edit", (*app).editCommand},
	{"list", (*app).listCommand},
	{"show", (*app).showCommand},
	{"up", (*app).upCommand},
	{"down", (*app).downCommand},
	{"delete", (*app).deleteCommand},
	{"verify", (*app).verifyCommand},
	{"doctor", (*app).doctorCommand},
	{"follow", (*app).followCommand},
	{"route", func(a *app) *cobra.Command { return a.routing().Route() }},
	{"rule", func(a *app) *cobra.Command { return a.routing().Rule() }},
	{"install-hook", (*app).installHookCommand},
	{"remove-hook", (*app).removeHookCommand},
	{"hook", (*app).hookCommand},
	{asroot.Command, (*app).helperCommand},
	{watchdog.Command, (*app).killedCommand},
	{"completion", func(a *app) *cobra.Command { return shells.Command(a.stdout) }},
	{"version", func(a *app) *cobra.Command { return release.Command(a.stdout) }},
	{"apply", func(a *app) *cobra.Command { return a.documents().Apply() }},
	{"export", func(a *app) *cobra.Command { return a.documents().Export() }},
	{"plan", func(a *app) *cobra.Command { return a.documents().Plan() }},
}

// manCommands makes the commands that write the manual. It is nil in the program that is installed,
// which has no use for them.
var manCommands func() []*cobra.Command

// addCommands adds the command that a command line names by its first word. Where it names none, it
// adds all of them, for the help and for suggestions: to make all takes longer than many commands
// run.
func (a *app) addCommands(root *cobra.Command, line []string) {
	word := firstWord(line)
	wanted := makers[:]
	if at := slices.IndexFunc(wanted, func(m maker) bool { return m.name == word }); at >= 0 {
		wanted = wanted[at : at+1]
	}
	for _, m := range wanted {
		root.AddCommand(m.make(a))
	}
	if manCommands != nil {
		root.AddCommand(manCommands()...)
	}
}

// firstWord is the first word of a command line, or of the one that a shell completes. It is empty
// while the shell completes that word itself.
func firstWord(line []string) string {
	if len(line) > 2 && (line[0] == cobra.ShellCompRequestCmd || line[0] == cobra.ShellCompNoDescRequestCmd) {
		return line[1]
	}
	return append(line, "")[0]
}
