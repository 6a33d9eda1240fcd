package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/routes/fault"
)

// asFlags choose a notation, and the end of the tunnel to write in it.
type asFlags struct{ as, end string }

// register adds the flags.
func (f *asFlags) register(cmd *cobra.Command, suffix string) {
	cmd.Flags().StringVar(&f.as, "as", "", "print the tunnel in another notation"+suffix+": "+strings.Join(every.Names(false), ", "))
	cmd.Flags().StringVar(&f.end, "end", every.Ends[0], "with --as, the end to print: far or near")
	completeFlag(cmd, "as", every.Names(false))
	completeFlag(cmd, "end", every.Ends)
}

// check refuses flags that do not go with --as, before anything is done.
func (f *asFlags) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case !changed("as") && changed("end"):
		return fault.Invalid("end", "give the notation with --as", "it chooses what --as prints")
	case !changed("as"):
		return nil
	case changed("json"):
		return fault.Invalid("json", "leave --json out", "--as prints a text")
	}
	_, err := every.Find("as", f.as)
	return err
}

// write prints one end of the tunnel.
func (f *asFlags) write(a *app, near nm.Tunnel, far nm.FarEnd) error {
	text, err := every.Write(notation.NewLink(near, far), f.as, f.end)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, text)
	return err
}

// checkDry is check for a command that prints a notation in place of a plan.
func (f *asFlags) checkDry(cmd *cobra.Command, dry bool) error {
	if cmd.Flags().Changed("as") && !dry {
		return fault.Invalid("as", "add --dry-run, or make the tunnel and then: nmgre show NAME --as "+fault.Printable(f.as), "create prints a notation in place of a plan")
	}
	return f.check(cmd)
}
