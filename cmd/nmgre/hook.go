package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/adapters"
	"nmgre/cmd/nmgre/lists"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/release"
	"nmgre/cmd/nmgre/watchdog"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/journal"
	"nmgre/routes/keep"
	"nmgre/routes/store"
)

func (a *app) installHookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "install-hook",
		Short: "set what NetworkManager cannot hold whenever a tunnel comes up",
		Long: `install-hook adds a script to NetworkManager's dispatcher. It lets nmgre set the routes, SNAT and
forwarding that NetworkManager cannot hold whenever a tunnel comes up, and remove them when it goes
down. The script runs as root, so nmgre must be installed where only root can write. Where systemd
is, install-hook also adds the unit nmgre-rules.service: it sets the rules again when
nftables.service or firewalld.service was started anew or reloaded.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			exe, err := release.ProgramFile()
			if err != nil {
				return err
			}
			fresh := a.files().UnitMissing() != nil
			if err := a.files().InstallHook(exe); err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, "nmgre: the hook is installed")
			if fresh {
				a.tellSystemd(cmd.Context(), store.UnitName, " && sudo systemctl start "+store.UnitName)
			}
			return nil
		},
	}
}

func (a *app) removeHookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove-hook",
		Short: "remove the files of install-hook",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			had := a.files().HasUnit()
			there := had || a.files().HasHook()
			if err := a.files().RemoveHook(); err != nil {
				return err
			}
			if !there {
				fmt.Fprintln(a.stderr, "nmgre: there is no hook to remove")
				return nil
			}
			fmt.Fprintln(a.stderr, "nmgre: the hook is removed")
			if had {
				a.tellSystemd(cmd.Context(), "", "")
			}
			return nil
		},
	}
}

// tellSystemd has systemd read its units again, and start one. If that fails, systemd learns of the
// change at the next boot, or by the command of a hint; more is the end of that command.
func (a *app) tellSystemd(ctx context.Context, unit, more string) {
	if a.systemd == nil {
		return
	}
	if err := a.systemd(ctx, "", unit); err != nil {
		fmt.Fprintf(a.stderr, "nmgre: warning: %s\nhint: type: sudo systemctl daemon-reload%s\n", output.OneLine(err.Error()), more)
	}
}

// files returns the store of root's own files.
func (a *app) files() *store.Store { return store.New(a.root, a.owner) }

// hookCommand makes the command that NetworkManager's dispatcher calls, and systemd when a firewall
// was started anew. It does the same for every event: it sets everything that the kept files want
// and the kernel lacks.
func (a *app) hookCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "hook INTERFACE ACTION",
		Short:  "set what NetworkManager cannot hold (called by its dispatcher)",
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, event []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), hookTimeout)
			defer cancel()
			lists.Expect()
			action := append(event, "", "")[1]
			if adapters.Settled(ctx, a.files(), action) {
				return nil
			}
			c, err := a.hook(ctx, action)
			a.logHook(event, c, err)
			return err
		},
	}
}

// hook converges. It waits for the bus, for NetworkManager, and for other nmgre processes, no
// longer for each than the event's patience.
func (a *app) hook(ctx context.Context, event string) (keep.Converged, error) {
	patience := keep.PatienceAt(event)
	opening, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	host, closeHost, err := a.host(opening)
	if err != nil {
		return keep.Converged{}, err
	}
	defer closeHost()
	// Without root the Keeper would ask a person for a password, and a hook has nobody to ask.
	if !host.Kernel.CanChange() {
		return keep.Converged{}, &fault.Error{Kind: fault.ErrNotPermitted, What: "the hook must run as root", Hint: fault.HintRoot}
	}
	keeper := &keep.LocalKeeper{Tunnels: nm.Tunnels{Profiles: host.Profiles}, Kernel: host.Kernel, Gateway: host.Gateway, Store: host.Store, Patience: patience, Leaving: keep.IsLeaving(event), Settling: adapters.Settling(host.Kernel, a.files())}
	tried, _ := host.Store.Tried(ctx) // converging tells the error
	c, err := keeper.Converge(ctx, "")
	if slices.ContainsFunc(tried, func(t keep.Tried) bool { return t.Dead }) {
		// The profile of a killed edit cannot be changed here: NetworkManager waits for the hook.
		watchdog.Start(a.exe).Leave()
	}
	if errors.Is(err, keep.ErrLeft) { // it will be done
		fmt.Fprintf(a.stderr, "nmgre: %v\n", err)
		return c, nil
	}
	for _, trouble := range c.Trouble {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(trouble))
	}
	if err == nil && len(c.Trouble) > 0 {
		err = errTrouble
	}
	return c, err
}

// logHook writes a line about the changes of the hook at an event, or about its failures. It writes
// none where everything was right already.
func (a *app) logHook(event []string, c keep.Converged, err error) {
	if err == nil && !c.Changed {
		return
	}
	if errors.Is(err, errTrouble) {
		err = nil // the trouble says more
	}
	// A host without a log is no reason to fail.
	_ = journal.Write(a.root, journal.Entry{Who: "the hook at " + strings.Join(event, " "), What: "set what is kept for the tunnels", Err: err, Trouble: c.Trouble})
}

// hookTimeout bounds the work itself, such as very many routes. It is well below the 600 seconds
// after which the dispatcher kills a script.
const hookTimeout = 5 * time.Minute

// errTrouble ends the hook when a route, a rule or a setting could not be set.
var errTrouble = errors.New("not everything could be set")
