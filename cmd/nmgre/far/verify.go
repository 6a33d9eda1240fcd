package far

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// Verifying is the part of the command verify that asks the far end, too.
type Verifying struct {
	sshFlags
	host    string
	changed func(string) bool
}

// Register adds the flags.
func (v *Verifying) Register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&v.host, "far", "", "the other host, in the words of ssh: verify the tunnel from both ends, by ssh HOST nmgre")
	v.register(cmd)
	v.changed = cmd.Flags().Changed
}

// Wanted reports whether the far end is asked. It refuses flags that do not go together.
func (v *Verifying) Wanted() (bool, error) {
	wanted := v.changed("far")
	for _, flag := range []string{"become", "copy", "far-nmgre"} {
		if !wanted && v.changed(flag) {
			return false, fault.Invalid(flag, "add --far HOST", "it is about the other host, and none is given")
		}
	}
	for _, flag := range []string{"all", "active", "to", "no-probe", "peer-address"} {
		if wanted && v.changed(flag) {
			return false, fault.Invalid("far", "verify one tunnel, with --far alone", "it does not go with --%s", flag)
		}
	}
	return wanted, nil
}

// Run verifies the tunnel from both ends.
func (v *Verifying) Run(ctx context.Context, a App, host *nmgre.Host, name string) (verify.Report, error) {
	opts, err := v.options(a, v.host)
	if err != nil {
		return verify.Report{}, err
	}
	signal.Ignore(syscall.SIGPIPE) // the answer that does not come says more
	return a.near(host, opts).Verify(ctx, name)
}
