package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre"
	"nmgre/cmd/nmgre/adapters"
	"nmgre/cmd/nmgre/values"
	"nmgre/nm"
	"nmgre/nm/resolve"
	"nmgre/routes/fault"
)

// readPeer reads --peer: an address, a name, which is looked up, NAME=ADDRESS, or in an edit auto,
// which looks the tunnel's own name up again.
func (f *createFlags) readPeer(t *nm.Tunnel, a *app) error {
	const hint = "give the far end's outer address, such as --peer 203.0.113.2, or its name"
	asked, isName, err := resolve.Parse(f.peer)
	switch {
	case err != nil:
		return err
	case f.peer == "auto" && t.PeerName == "":
		return fault.Invalid("peer", "give the far end's name or address: --peer gw.example.org", "auto looks the far end's name up again, and this one was given by its address")
	case f.peer == "auto":
		asked = resolve.Asked{Name: t.PeerName, Present: t.Remote}
	case !isName:
		t.PeerName, t.Follow = "", false
		t.Remote, err = values.Addr("peer", f.peer, hint)
		return err
	}
	asked.V6, asked.Own = t.Mode.IPv6Outer(), a.ownAddresses()
	found, err := resolve.Peer(a.context(), a.resolver, asked)
	if err != nil {
		return err
	}
	t.PeerName, t.Remote = asked.Name, found
	fmt.Fprintf(a.stderr, "nmgre: %s\n", resolve.Told(asked, found))
	return nil
}

// ownAddresses are this host's addresses, none of which is a far end.
func (a *app) ownAddresses() []netip.Addr {
	if a.own == nil {
		return nil
	}
	return a.own()
}

// context is the one of the command that runs.
func (a *app) context() context.Context {
	if a.ctx == nil {
		return context.Background()
	}
	return a.ctx
}

// registerEnds adds the flags about the ends of a tunnel.
func (f *createFlags) registerEnds(cmd *cobra.Command, a *app) {
	cmd.Flags().BoolVar(&f.follow, "follow", false, "have nmgre follow look the name of --peer up again, and move the tunnel to its address")
	cmd.Flags().StringVar(&f.zone, "zone", "", "firewalld's zone for the tunnel (default: firewalld's default zone)")
	// It fails only for a flag that does not exist, and the tests would show that.
	_ = cmd.RegisterFlagCompletionFunc("zone", completeZones(a.open))
	probe := cmd.Flags().VarPF(probeFlag{&f.probeOnce, &f.noProbe}, "no-probe", "", "do not probe the far end now; with =always never, which the profile remembers; =never takes that away")
	probe.NoOptDefVal = "true"
	completeFlag(cmd, "no-probe", []string{nm.Always, nm.Never})
}

// completeZones returns a function that offers firewalld's zones, where it runs. Cobra keeps that
// function for ever, so it holds nothing of the command but how to open the host.
func completeZones(open func(context.Context) (adapters.Doors, func(), error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		doors, closeAll, err := open(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		defer closeAll()
		host := nmgre.Host{System: doors.System()}
		names, err := host.ZoneNames(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// probeFlag is --no-probe: alone, the far end is not probed by this command; always and never last
// in the profile.
type probeFlag struct {
	once *bool
	word *string // empty for what lasts as it is
}

// String implements [pflag.Value].
func (p probeFlag) String() string {
	switch {
	case p.word != nil && *p.word != "":
		return *p.word
	case p.once != nil && *p.once:
		return "true"
	}
	return "false"
}

// Set implements [pflag.Value].
func (p probeFlag) Set(text string) error {
	*p.once, *p.word = false, ""
	switch text {
	case "true", "once":
		*p.once = true
	case "false":
	case nm.Always, nm.Never:
		*p.word = text
	default:
		return errors.New("it is neither " + nm.Always + " nor " + nm.Never)
	}
	return nil
}

// Type implements [pflag.Value].
func (probeFlag) Type() string { return "WORD" }

// readEnds reads the flags of registerEnds.
func (f *createFlags) readEnds(t *nm.Tunnel, given func(flag string) bool) {
	if given("follow") {
		t.Follow = f.follow
	}
	if given("zone") && f.zone != "" {
		t.Zone = unlessNone(f.zone)
	}
	if f.noProbe != "" {
		t.NoProbe = f.noProbe == nm.Always
	}
}

// followCommand makes the command that moves tunnels to where the names of their far ends lead now.
func (a *app) followCommand() *cobra.Command {
	var all, dryRun bool
	cmd := &cobra.Command{
		Use:   "follow NAME | --all",
		Short: "move a tunnel to where its far end's name leads now",
		Long: `follow looks the name of a far end up again, and moves the tunnel to its address, as
nmgre edit NAME --peer auto does. With --all it does so for every tunnel that was made, or edited,
with --follow. A tunnel whose name still leads to its far end stays as it is, and up.

The timer nmgre-follow.timer, which comes with nmgre, calls it every five minutes:
systemctl enable --now nmgre-follow.timer`,
		Example: `  nmgre create --peer gw.example.org --follow --address 172.16.0.1/30
  nmgre follow gre1
  nmgre follow --all`,
		Args:              func(cmd *cobra.Command, args []string) error { return oneOrAll(cmd, args, all) },
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error {
				if dryRun {
					host.Progress = nil
				}
				name := ""
				if !all {
					name = args[0]
				}
				return a.follow(cmd.Context(), host, name, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "follow the names of all tunnels that were made with --follow")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be changed, and change nothing")
	return cmd
}

// oneOrAll wants a tunnel's name, or --all.
func oneOrAll(cmd *cobra.Command, args []string, all bool) error {
	if all && len(args) > 0 {
		return fault.Invalid("", "give a NAME, or --all", "both a tunnel, %s, and --all are given", fault.Printable(args[0]))
	}
	if all {
		return nil
	}
	return oneName(cmd, args)
}

// follow follows the name of one far end, or with an empty name those of all tunnels that ask for
// it. One that fails does not stop the others.
func (a *app) follow(ctx context.Context, host *nmgre.Host, name string, dryRun bool) error {
	list, err := host.Followed(ctx, name)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "nmgre: no tunnel is to follow its far end's name; nmgre edit NAME --follow has one do so")
	}
	if len(list) > 0 && !dryRun {
		defer a.watch()() // undoes an edit of a follow that is killed
	}
	var errs []error
	for _, p := range slices.SortedFunc(slices.Values(list), nm.ByName) {
		called := fault.Printable(p.Tunnel.Name)
		moved, err := host.Follow(ctx, p, a.ownAddresses(), dryRun)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", called, err))
		case moved == p.Tunnel.Remote:
			fmt.Fprintf(a.stderr, "nmgre: %s: %s still leads to %s\n", called, fault.Printable(p.Tunnel.PeerName), moved)
		default:
			done := "moved from %s to %s"
			if dryRun {
				done = "would move from %s to %s"
			}
			fmt.Fprintf(a.stderr, "nmgre: %s: "+done+", where %s leads now\n", called, p.Tunnel.Remote, moved, fault.Printable(p.Tunnel.PeerName))
		}
	}
	return errors.Join(errs...)
}

// changesProbe says whether --no-probe changes the profile.
func changesProbe(flag *pflag.Flag) bool {
	return flag.Value.String() == nm.Always || flag.Value.String() == nm.Never
}
