package foreign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/routes/fault"
)

// adoptRun holds the flags of adopt.
type adoptRun struct {
	opts                  adopt.Options
	dryRun, noProbe, json bool
	wait                  time.Duration
}

// Adopt returns the command adopt.
func Adopt(a App) *cobra.Command {
	var r adoptRun
	cmd := &cobra.Command{
		Use:   "adopt IFNAME",
		Short: "make a profile of a tunnel that was made by hand, while it is up",
		Long: `adopt takes over a GRE tunnel that was made by hand, as with ip tunnel add or ip link add: it becomes a
profile of NetworkManager's with its addresses, routes, rules of the routing policy, SNAT and
firewalld's zone. What a profile cannot hold, nmgre keeps as it does for every tunnel: routes that
NetworkManager does not know, and the options multicast, ignore-df, checksum and sequence.

It says of each part what becomes of it before anything is changed. A tunnel with a part that nobody
can hold is refused, and the part is named, such as fwmark, encap, a VRF, or checksums in one
direction. SNAT and rules that nmgre cannot hold stay as they are.

The link stays the one that it is, with its index. All of it is done or none of it: if something
fails, the link, its addresses, its routes and its rules are made as they were. An nmgre that is
killed leaves a working tunnel, and the next command ends its work.

adopt needs root. --dry-run shows the plan without it, but for SNAT, which only root may read. The
commands that make the tunnel at boot are still where they are: take them out.`,
		Example: `  nmgre adopt tun0 --dry-run
  nmgre adopt tun0
  nmgre adopt tun0 --name office --confirm 60s`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "" {
				return nil
			}
			return fault.Invalid("", "write it as: nmgre adopt IFNAME; nmgre list shows tunnels made by hand as external", "give the interface of one tunnel")
		},
		ValidArgsFunction: a.byHand,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.Check(r.wait); err != nil {
				return err
			}
			if cmd.Flags().Changed("name") && r.opts.Profile == "" {
				return fault.Invalid("name", "give the profile's name, or leave --name out to name it after the interface", "the name is empty")
			}
			return a.WithHost(cmd.Context(), func(host *nmgre.Host) error { return a.adopt(cmd.Context(), host, args[0], r) })
		},
	}
	cmd.Flags().StringVar(&r.opts.Profile, "name", "", "the profile's name (default: the interface's)")
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "print what becomes of each part, and every step, and change nothing")
	cmd.Flags().BoolVar(&r.noProbe, "no-probe", false, "do not probe the far end")
	a.Flags(cmd, &r.wait, &r.json)
	return cmd
}

// byHand completes the interfaces of tunnels that were made by hand.
func (a App) byHand(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	names, directive := a.Complete(cmd, args, toComplete)
	return slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(name, "\t"+string(nm.StateExternal)+",") }), directive
}

// adopt carries the command out.
func (a App) adopt(ctx context.Context, host *nmgre.Host, dev string, r adoptRun) error {
	confirm := a.Confirm()
	ctx, cancel := context.WithTimeout(ctx, r.wait+confirm)
	defer cancel()
	planned, err := host.PlanAdopt(ctx, dev, r.opts)
	if err != nil {
		output.AdoptParts(a.Err, planned.Parts)
		return err
	}
	if r.dryRun {
		return output.AdoptPlan(a.Out, planned, r.json)
	}
	if err := adopt.MayAdopt(host.System); err != nil {
		return err
	}
	output.AdoptParts(a.Err, planned.Parts)
	for _, note := range planned.Notes {
		fmt.Fprintf(a.Err, "nmgre: %s\n", output.OneLine(note))
	}
	if confirm > 0 {
		defer a.Watch()()
	}
	made, err := host.Create(ctx, planned.Plan, nmgre.CreateOptions{NoProbe: r.noProbe})
	if err != nil {
		return a.Begun(err)
	}
	return output.Adopted(a.Out, planned, made, r.json)
}
