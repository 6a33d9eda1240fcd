package checkup

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/output"
	"nmgre/nm/doctor"
	"nmgre/routes/fault"
)

// Command returns the command doctor, which looks at a host, and prints to out in lines of so many
// columns. It ends with bad where there is a problem.
func Command(host func() Host, out io.Writer, width func() int, bad error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "look at this host: what is missing, what is in the way, and what to do",
		Long: `doctor looks at everything on this host that tunnels need, and changes nothing: the kernel and its
modules, NetworkManager, your rights, the dispatcher's hook, polkit, the firewall and whether GRE
passes it, forwarding and rp_filter, other programs that manage networks, the tunnels, GRE links that
no profile has, and what root keeps. Each finding is ok, a note (something to know), or a problem,
with what to do. What does not answer in time is a finding, too.

A bug report starts with it. Nothing private is in it: addresses are shortened, equal ones to the
same text, and there are no names of hosts, people, networks, devices or profiles. Root sees more:
sudo nmgre doctor. The exit code is 3 if there is a problem.`,
		Example: `  nmgre doctor
  sudo nmgre doctor --json > report.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return &fault.Error{Kind: fault.ErrInvalid, What: "unexpected argument " + fault.Printable(args[0]),
				Hint: "doctor looks at the whole host; to prove one tunnel: nmgre verify " + fault.Operand(args[0])}
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := doctor.Diagnose(host().Facts(cmd.Context()))
			var err error
			if asJSON {
				err = output.JSON(out, r)
			} else {
				_, err = fmt.Fprint(out, r.Text(width()))
			}
			if err == nil && r.Verdict == doctor.Problem {
				err = bad
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
