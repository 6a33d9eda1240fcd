package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre"
	"nmgre/cmd/nmgre/adapters"
	"nmgre/cmd/nmgre/follow"
	"nmgre/cmd/nmgre/shells"
	"nmgre/nm"
	"nmgre/nm/resolve"
	"nmgre/routes/fault"
)

// readPeer reads --peer: an address, a name, which is looked up, NAME=ADDRESS, or in an edit auto,
// which looks the tunnel's own name up again.
func (f *createFlags) readPeer(t *nm.Tunnel, a *app) error {
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
		var bad *fault.Error
		if t.Remote, bad = resolve.Address(f.peer); bad != nil {
			return bad
		}
		return nil
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

// context is the context of the command that runs.
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
	probe := cmd.Flags().VarPF(probeFlag{&f.probeOnce, &f.noProbe}, "no-probe", "", "do not probe the far end this time; =always means at no time, and the profile remembers it; =never makes it forget that")
	probe.NoOptDefVal = "true"
	shells.Fixed(cmd, "no-probe", []string{nm.Always, nm.Never})
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
	word *string // empty to leave the profile's word as it is
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
	return follow.Command(follow.App{Err: a.stderr, WithHost: a.withHost, Watch: a.watch, Own: a.ownAddresses, Begun: begun, OneName: oneName, Complete: a.completeNames})
}

// changesProbe says whether --no-probe changes the profile.
func changesProbe(flag *pflag.Flag) bool {
	return flag.Value.String() == nm.Always || flag.Value.String() == nm.Never
}
