package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/far"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/values"
	"nmgre/nm/verify"
)

const verifyLong = `verify compares a tunnel's profile with the state of NetworkManager and the kernel, asks the kernel
where packets for each route would go, and sends a few echo requests through the tunnel. Meanwhile it
listens, as root, to the GRE packets of the two hosts and to the ICMP errors about them. Each check
passes, warns, fails or is skipped, and one that finds a fault names its cause. The exit code is 3 if
a check fails; a warning is no failure.

It prints the checks that do not pass, those of --to, and the verdict. If a check fails, it prints
all of them. --all-checks and --json always do.

With --to, packets to that address have to go into the tunnel, and the address has to answer: this
end's inner address, and its address in each network that is behind it.

With --far HOST it asks the other end, too, by your own ssh (ssh HOST nmgre ...): both ends listen while
each sends, and the report says for each direction whether packets were sent, left, came, were let in
and answered, and so which firewall, network, key or address is at fault. HOST needs nmgre and root.

With --all or --active it verifies many tunnels together, hardly slower than one, and prints a line
for each: its name, its verdict, and what decided on it, with what mends it below. A tunnel that is
down and not to come up by itself (autoconnect off), or whose device another profile has, is "down",
which is no fault; one that should be up and is not fails. With --json it prints an object: "verdict"
is the worst one, "counts" says how many tunnels have each, and "reports" has what verify NAME --json
prints of each, with its name, uuid, state and autoconnect. The exit code is 3 if a tunnel fails.
Each address of --to is probed through the tunnel that leads there; one to which none leads is
refused. With more than a hundred tunnels --all does not ask whether each profile is on disk, and
says so.

nmgre help verify has every check, and every cause with a hint.`

const verifyExample = `  nmgre verify gre1
  nmgre verify gre1 --to 10.10.2.100 --to 10.10.2.101
  nmgre verify gre1 --far linux2
  nmgre verify --all
  nmgre verify --all --to 10.10.2.100
  nmgre verify --active --json`

func (a *app) verifyCommand() *cobra.Command {
	var peerAddress string
	var to []string
	var allChecks, asJSON bool
	opts := verify.Options{Networks: true}
	var wait time.Duration
	var many allRun
	var both far.Verifying
	cmd := &cobra.Command{
		Use:               "verify NAME | --all | --active",
		Short:             "prove that a tunnel works, or say what is wrong",
		Long:              verifyLong,
		Example:           verifyExample,
		Args:              func(cmd *cobra.Command, args []string) error { return many.check(cmd, args) },
		ValidArgsFunction: many.complete(a.completeNames),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := checkWait(wait); err != nil {
				return err
			}
			if opts.PeerAddress, err = values.Addr("peer-address", peerAddress, "give the far end's inner address, such as 172.16.0.2"); err != nil {
				return err
			}
			if opts.To, err = values.Addrs("to", to, "give the address of a host behind the far end, such as 10.10.2.100"); err != nil {
				return err
			}
			fromBoth, err := both.Wanted()
			if err != nil {
				return err
			}
			if many.many() && !cmd.Flags().Changed("wait") { // the more tunnels, the longer it may take
				wait = longest
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			return a.withHost(ctx, func(host *nmgre.Host) error {
				if many.many() {
					return a.verifyAll(ctx, host, many, opts, asJSON)
				}
				var report verify.Report
				if fromBoth {
					report, err = both.Run(ctx, a.farApp(), host, args[0])
				} else {
					report, err = host.Verify(ctx, args[0], opts)
				}
				if err != nil {
					return err
				}
				return a.printVerify(report, allChecks, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&peerAddress, "peer-address", "", "the far end's inner address (default: the profile's)")
	cmd.Flags().BoolVar(&opts.NoProbe, "no-probe", false, "do not probe the far end")
	cmd.Flags().StringArrayVar(&to, "to", nil, "an address behind the far end that is to be reached through the tunnel (may be repeated)")
	cmd.Flags().BoolVar(&allChecks, "all-checks", false, "print the checks that pass, too, each with its evidence")
	both.Register(cmd)
	waitFlag(cmd, &wait)
	many.register(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printVerify(report verify.Report, allChecks, asJSON bool) error {
	if err := output.Report(a.stdout, report, allChecks, asJSON); err != nil {
		return err
	}
	if report.Verdict == verify.Fail {
		return errFault
	}
	return nil
}
