package far

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/around"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/ssh"
	"nmgre/cmd/nmgre/values"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// App is the program around the commands of this room.
type App struct {
	around.Program
	Version string
	Exe     string // this program's file
	Gone    func() // is told that the file is removed, and this program is to go on
	Open    func(context.Context) (*nmgre.Host, func(), error)
	Session func() nmgre.Session
	Doubts  Doubts
	// Tunnel adds create's flags to a command, and returns the function that reads them. It returns
	// whether a flag was given, too.
	Tunnel func(cmd *cobra.Command) func() (nm.Tunnel, error)
	Route  func(spec string) (routes.Route, error)
	Filled func(cmd *cobra.Command) error // refuses flags without a value
	// Ask is the question whether a change stays, for that long.
	Ask func(time.Duration) func(context.Context, verify.Report) error
}

// sshFlags are the flags of every command that calls another host.
type sshFlags struct {
	become, copy bool
	program      string
}

func (f *sshFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.become, "become", false, "run nmgre there as root, by sudo, which must not ask for a password")
	cmd.Flags().BoolVar(&f.copy, "copy", false, "put this program there for the time of the call, where there is no nmgre")
	cmd.Flags().StringVar(&f.program, "far-nmgre", "", "the path of nmgre there (default: the one that the shell there finds)")
}

// options returns those of ssh.
func (f sshFlags) options(a App, host string) (ssh.Options, error) {
	o := ssh.Options{Host: host, Become: f.become, Program: f.program, Told: func(line string) { fmt.Fprintf(a.Err, "%s: %s\n", fault.Printable(host), line) }}
	if f.copy {
		o.Copy = a.Exe
	}
	if f.copy && f.program != "" {
		return o, fault.Invalid("copy", "give one of them", "--copy and --far-nmgre are two different choices")
	}
	return o, ssh.CheckHost(host)
}

// pairRun holds the flags of pair that are not create's.
type pairRun struct {
	sshFlags
	farRoutes             []string
	farPeer               string
	dryRun, noProbe, json bool
	wait                  time.Duration
	changed               func(string) bool
	host, existing        string
}

const pairLong = `pair makes both ends of a GRE tunnel at once: this one, and the one on HOST, to which it talks by
your own ssh (ssh HOST nmgre ...), with your configuration, agent and jump hosts. Both ends are
planned and checked first, and the plan is shown. Then both are made on trial, both prove the tunnel,
each from its own side, and both are saved. If anything fails, the connection is lost or you press
Ctrl-C, both are undone: there are both ends or none.

The flags are create's, for this end. What you leave out is found: the other end's address by ssh, a
network of two inner addresses that is free at both ends, the MTU that fits at both ends, and routes
to the networks behind either end. --route and --far-route, or the word none, take the place of the
latter.

Where this end is there already, pair makes the other one, or changes it to match. Where only the
other one is, pair makes this one from it. HOST needs nmgre, and root's rights: log in as root, or add
--become.`

// Command returns the command pair.
func Command(a App) *cobra.Command {
	var run pairRun
	var read func() (nm.Tunnel, error)
	cmd := &cobra.Command{
		Use:   "pair HOST [NAME]",
		Short: "make both ends of a tunnel at once, over ssh",
		Long:  pairLong,
		Example: `  nmgre pair linux2
  nmgre pair ann@203.0.113.2 --become --key 42 --dry-run
  nmgre pair linux2 --address 172.16.0.1/30 --route 10.10.2.0/24 --far-route 10.10.1.0/24`,
		Args: oneHost,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.Complete(cmd, nil, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(a.Check(run.wait), a.Filled(cmd)); err != nil {
				return err
			}
			run.host, run.changed = args[0], cmd.Flags().Changed
			run.noProbe = cmd.Flags().Lookup("no-probe").Value.String() == "true"
			if len(args) > 1 {
				run.existing = args[1]
			}
			opts, err := run.options(a, run.host)
			if err != nil {
				return err
			}
			wish, err := run.wish(a, read)
			if err != nil {
				return err
			}
			return a.WithHost(cmd.Context(), func(host *nmgre.Host) error { return a.pair(cmd.Context(), host, opts, wish, run) })
		},
	}
	read = a.Tunnel(cmd)
	cmd.Flags().StringArrayVar(&run.farRoutes, "far-route", nil, "a ROUTE of the other end into the tunnel, or none (default: the networks behind this end; may be repeated)")
	cmd.Flags().StringVar(&run.farPeer, "far-peer", "", "this end's outer address as the other end sees it, where a router translates it")
	run.register(cmd)
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "print the plan for both ends and change nothing")
	a.Flags(cmd, &run.wait, &run.json)
	return cmd
}

// oneHost wants a host, and maybe the name of a tunnel.
func oneHost(cmd *cobra.Command, args []string) error {
	hint := "write it as: " + cmd.CommandPath() + " HOST, where HOST is what you type behind ssh"
	switch {
	case len(args) == 0:
		return fault.Invalid("", hint, "the other host is missing")
	case len(args) > 2:
		return fault.Invalid("", hint, "unexpected argument %s", fault.Printable(args[2]))
	}
	return nil
}

// wish reads the flags.
func (r *pairRun) wish(a App, read func() (nm.Tunnel, error)) (w pair.Wish, err error) {
	if w.Near, err = read(); err != nil {
		return w, err
	}
	w.Routed = r.changed("route") || r.changed("routes-from")
	if w.FarRouted = r.changed("far-route"); w.FarRouted && !(len(r.farRoutes) == 1 && r.farRoutes[0] == "none") {
		for _, spec := range r.farRoutes {
			route, err := a.Route(spec)
			if err != nil {
				return w, errors.Join(err, fault.Invalid("far-route", "write it as for ip route, without dev", "%s is no route", fault.Printable(spec)))
			}
			w.FarRoutes = append(w.FarRoutes, route)
		}
	}
	w.FarPeer, err = values.Addr("far-peer", r.farPeer, "give an address, such as 203.0.113.1")
	return w, err
}

// near returns the near end.
func (a App) near(host *nmgre.Host, opts ssh.Options) *Near {
	n := &Near{Name: opts.Host, Host: host, Doubt: a.Doubts, Watch: a.Watch,
		Dial: func(ctx context.Context) (Line, error) {
			c, err := ssh.Dial(ctx, opts)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		Tell: func(line string) { fmt.Fprintf(a.Err, "nmgre: %s\n", output.OneLine(line)) }}
	n.Careful = func(ctx context.Context, effect plan.Effect) error { return a.careful(ctx, host, effect) }
	return n
}

// careful refuses a change that may cut off the person's session, unless it is confirmed.
func (a App) careful(ctx context.Context, host *nmgre.Host, effect plan.Effect) error {
	cuts, err := host.CutsOff(ctx, effect, a.Session())
	if err != nil || !cuts || a.Confirm() > 0 {
		return err
	}
	return &fault.Error{Kind: fault.ErrCutsOff, Field: "confirm", What: "the route to your ssh client leads through what is changed: it may cut your session off",
		Hint: "add --confirm 60s: unless you press Enter within that time, both ends are undone"}
}

// pair makes both ends.
func (a App) pair(ctx context.Context, host *nmgre.Host, opts ssh.Options, wish pair.Wish, run pairRun) error {
	// a connection that dies must not end the undo
	signal.Ignore(syscall.SIGPIPE)
	n := a.near(host, opts)
	n.NoProbe = run.noProbe
	wait := a.Confirm()
	if wait > 0 {
		n.Ask = a.Ask(wait)
	}
	ctx, cancel := context.WithTimeout(ctx, run.wait+wait)
	defer cancel()
	both, err := n.Plan(ctx, wish, run.existing)
	if err != nil {
		return err
	}
	if run.dryRun {
		defer both.Leave()
		return a.printPlan(both, run)
	}
	for _, note := range both.Told(run.host) {
		n.Tell(note)
	}
	if both.There != nil {
		return a.mend(ctx, n, both, run)
	}
	done, err := n.Make(ctx, both)
	if err != nil {
		return a.Begun(err)
	}
	return output.Paired(a.Out, done.Near, done.form(both), run.json)
}

// mend makes the far end of a tunnel that is there, or changes it to match.
func (a App) mend(ctx context.Context, n *Near, both *Both, run pairRun) error {
	if err := run.agrees(*both.There); err != nil {
		both.Leave()
		return err
	}
	for _, change := range both.Far.Changes {
		n.Tell("at " + fault.Printable(run.host) + ": " + change)
	}
	done, err := n.Mend(ctx, both, *both.There)
	if err != nil {
		return a.Begun(err)
	}
	end := Result{FarName: done.FarName, Far: done.Far, Host: run.host}.form(both)
	end.Changes = done.Changes
	return output.Paired(a.Out, nmgre.Created{Status: done.Near, Report: done.Report}, end, run.json)
}

// agrees refuses flags of create that say something else than the tunnel that is there.
func (r *pairRun) agrees(there nmgre.Status) error {
	flags := []string{"mode", "local", "ttl", "tos", "mtu", "no-pmtud", "parent", "controller", "mac", "encap-limit", "flow-label", "flags", "route", "routes-from", "rule", "rules-from", "snat", "forward", "clamp-mss", "zone", "autoconnect", "follow", "multicast", "ignore-df", "checksum", "sequence"}
	if r.existing != "" { // it is found by its name, and not by these
		flags = append(flags, "peer", "address", "peer-address", "key", "input-key", "output-key", "name")
	}
	for _, flag := range flags {
		if r.changed(flag) {
			name := fault.Operand(there.Tunnel.Name)
			return fault.Invalid(flag, "change it first: nmgre edit "+name+" --"+flag+" ...; and then: nmgre pair "+fault.ShellWord(r.host)+" "+name, "%s is there already, and pair makes its far end as it is", name)
		}
	}
	return nil
}

// form is the far end for people and programs.
func (r Result) form(b *Both) output.PairedEnd {
	end := output.PairedEnd{Host: r.Host, Tunnel: r.FarName, Command: b.Far.Command, Verify: output.PairedVerify{Verdict: r.Far.Verdict, Checks: []verify.Check{}}}
	for _, c := range r.Far.Checks {
		end.Verify.Checks = append(end.Verify.Checks, verify.Check{ID: c.ID, Status: verify.Verdict(c.Status), Certainty: verify.Certainty(c.Certainty), Summary: c.Summary, Evidence: c.Evidence, Hint: c.Hint, Cause: c.Cause})
	}
	return end
}

// Told are the notes about both ends.
func (b *Both) Told(host string) []string {
	told := append([]string{}, b.Notes...)
	for _, note := range b.Near.Notes {
		told = append(told, "here: "+note)
	}
	for _, note := range b.Far.Notes {
		told = append(told, "at "+fault.Printable(host)+": "+note)
	}
	return told
}

// printPlan shows the plan of both ends.
func (a App) printPlan(b *Both, run pairRun) error {
	far := output.PairPlanned{Host: run.host, Tunnel: b.Far.Name, Command: b.Far.Command, Steps: b.Far.Steps, Changes: b.Far.Changes, Notes: b.Far.Notes}
	if b.There != nil {
		return output.MendPlan(a.Out, far, b.Notes, run.json)
	}
	return output.PairPlan(a.Out, b.Near, far, b.Notes, run.json)
}

// EndCommand returns the hidden command that pair and verify --far start on the other host.
func EndCommand(a App) *cobra.Command {
	var copied bool
	cmd := &cobra.Command{
		Use:    ssh.Command,
		Short:  "be the far end of another nmgre (called by nmgre pair, by ssh)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGPIPE) // the undo must not end with the connection
			if copied {
				a.forgetCopy()
			}
			s := Server{In: a.In, Out: a.Out, Open: a.Open, Session: a.Session(), Version: a.Version, Watch: a.Watch}
			if err := s.Serve(cmd.Context()); err != nil {
				return ErrTold
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&copied, strings.TrimPrefix(ssh.Copied, "--"), false, "remove this program's file first, which was copied for this call")
	return cmd
}

// forgetCopy removes this program if pair has copied it here, and the folder that was made for it.
func (a App) forgetCopy() {
	dir, name := filepath.Split(a.Exe)
	if ok, _ := filepath.Match("nmgre.????????", filepath.Base(dir)); !ok || name != "nmgre" {
		return
	}
	if err := os.Remove(a.Exe); err == nil { // else the shell that has started it does so at the end
		_ = os.Remove(dir)
		a.Gone()
	}
}

// ErrTold ends far-end: the other end has been told why.
var ErrTold = &fault.Error{What: "it failed, as the other end was told"}
