package foreign

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/routes/fault"
)

// As chooses a notation, and the end of the tunnel to write in it.
type As struct{ Kind, end string }

// Register adds the flags.
func (f *As) Register(cmd *cobra.Command, suffix string) {
	cmd.Flags().StringVar(&f.Kind, "as", "", "print the tunnel in another notation"+suffix+": "+strings.Join(every.Names(false), ", "))
	cmd.Flags().StringVar(&f.end, "end", every.Ends[0], "with --as, the end to print: far or near")
	complete(cmd, "as", every.Names(false))
	complete(cmd, "end", every.Ends)
}

// Check refuses flags that do not go with --as, before anything is done.
func (f *As) Check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	switch {
	case !changed("as") && changed("end"):
		return fault.Invalid("end", "give the notation with --as", "it chooses what --as prints")
	case !changed("as"):
		return nil
	case changed("json"):
		return fault.Invalid("json", "leave --json out", "--as prints a text")
	}
	if _, err := every.Find("as", f.Kind); err != nil {
		return err
	}
	return every.CheckEnd(f.end)
}

// Near says whether this host's end is printed.
func (f *As) Near() bool { return f.end == every.Ends[1] }

// Write prints one end of the tunnel.
func (f *As) Write(w io.Writer, near nm.Tunnel, far nm.FarEnd) error {
	text, err := every.Write(notation.NewLink(near, far), f.Kind, f.end)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(w, text)
	return err
}

// CheckDry is Check for a command that prints a notation in place of a plan.
func (f *As) CheckDry(cmd *cobra.Command, dry bool) error {
	if cmd.Flags().Changed("as") && !dry {
		return fault.Invalid("as", "add --dry-run, or make the tunnel and then: nmgre show NAME --as "+fault.Printable(f.Kind), "create prints a notation in place of a plan")
	}
	return f.Check(cmd)
}
