package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/progress"
	"nmgre/nm/document"
	"nmgre/nm/reconcile"
	"nmgre/routes/fault"
)

// applyRun holds the flags of apply.
type applyRun struct {
	file, host                  string
	prune, check, diff, noProbe bool
	json, schema                bool
	wait                        time.Duration
}

// Apply returns the command apply.
func (a App) Apply() *cobra.Command {
	var run applyRun
	cmd := &cobra.Command{
		Use:   "apply -f FILE|-",
		Short: "make, change and remove tunnels as a document wants them",
		Long: `apply reads a YAML document with the tunnels of this host, and makes the host agree with it. Tunnels
that are not there are made, and those that differ are changed. Those with state: absent are removed;
with --prune, those that an earlier apply of the document made and that are no longer in it, too.
Applied again, a document changes nothing. All of it happens or none of it, over all tunnels: a
change that does not come up right is undone, and with it every other one. Other tunnels stay as
they are, and so does a tunnel that is down: a change of it counts when it comes up. A tunnel that
is up is also compared with the kernel: where somebody has changed its link, or removed its
addresses, routes, rules, SNAT or forwarding, that is mended, and counts as a change.

A document is for this host alone, or for many hosts and the links between them:

` + Example + `

A field of a tunnel has the name of the flag of nmgre create; what is left out has create's default.
defaults: {...} gives other ones. A host can have several documents, each with a name: of its own, by
which --prune goes.
nmgre apply --schema prints the JSON Schema, from which editors complete. Of a document with hosts,
apply takes the part of this host, by its name or --host. nmgre plan shows what a document means.

With --json: {"changed": true or false, "diff": [{"tunnel", "action": "create", "change", "delete"
or "none", "before", "after", "fields", "drift"}], "verify": [the reports of verify --json]}. before
and after are the fields of a document, or null; drift has the differences of the kernel that are
mended. An error is {"error": {"message", "hints", "errors"}, "changed": false}. It is on standard
error, too.`,
		Example: `  nmgre apply -f tunnels.yaml --check --diff
  nmgre apply -f mesh.yaml --host paris --prune
  nmgre export | nmgre apply -f - --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run.schema {
				_, err := fmt.Fprint(a.Out, document.Schema)
				return err
			}
			return a.ended(a.apply(cmd.Context(), run), run.json)
		},
	}
	fileFlag(cmd, &run.file)
	cmd.Flags().StringVar(&run.host, "host", "", "which host of the document this one is (default: the host's name)")
	cmd.Flags().BoolVar(&run.prune, "prune", false, "delete the tunnels that were made from the document and are no longer in it")
	cmd.Flags().BoolVar(&run.check, "check", false, "change nothing, and say what would be changed")
	cmd.Flags().BoolVar(&run.diff, "diff", false, "print each difference")
	cmd.Flags().BoolVar(&run.noProbe, "no-probe", false, "do not probe the far ends")
	cmd.Flags().BoolVar(&run.schema, "schema", false, "print the JSON Schema of documents")
	a.Flags(cmd, &run.wait, &run.json)
	cmd.Flags().Lookup("wait").Usage = "how long each tunnel may take, such as 10s or 1m"
	return cmd
}

// wanted returns the tunnels that a document wants for this host.
func (a App) wanted(run applyRun) (*document.Document, []reconcile.Wanted, error) {
	if run.file == "-" && a.Confirm() > 0 {
		return nil, nil, fault.Invalid("confirm", "give the document in a file", "standard input cannot both give the document and confirm it")
	}
	d, err := a.read(run.file)
	if err != nil {
		return nil, nil, err
	}
	if run.host != "" && len(d.Hosts()) == 0 {
		return nil, nil, fault.Invalid("host", "leave it out, or give hosts and links", "the document names no hosts")
	}
	host, err := a.hostOf(d, run.host)
	if err != nil {
		return nil, nil, err
	}
	tunnels, err := d.Tunnels(host)
	if err != nil {
		return nil, nil, err
	}
	wants := make([]reconcile.Wanted, len(tunnels))
	for i, t := range tunnels {
		wants[i] = reconcile.Wanted{Tunnel: t.Tunnel, Absent: t.Absent, Line: t.Line}
	}
	return d, wants, nil
}

func (a App) apply(ctx context.Context, run applyRun) error {
	if err := a.Check(run.wait); err != nil {
		return err
	}
	d, wants, err := a.wanted(run)
	if err != nil {
		return err
	}
	confirm := a.Confirm()
	each := func(n int) time.Duration { return run.wait * time.Duration(max(n, 1)) }
	planning, cancel := context.WithTimeout(ctx, each(len(wants)))
	defer cancel()
	return a.WithHost(planning, func(host *nmgre.Host) error {
		planned, err := host.PlanApply(planning, wants, reconcile.Options{Document: d.Name, Prune: run.prune, Own: a.ownAddresses()})
		if err != nil {
			return err
		}
		if !run.json {
			a.tellPlan(planned, run)
		}
		if run.check || !planned.Changed() {
			return a.printApplied(planned, nil, run)
		}
		if confirm > 0 {
			defer a.Watch()()
		}
		doing, cancel := context.WithTimeout(ctx, each(changed(planned.Changes))+confirm)
		defer cancel()
		done, err := a.carryOut(doing, host, planned, run)
		if err != nil {
			return changing{err}
		}
		return a.printApplied(planned, done, run)
	})
}

// changing is the error of a change that had begun.
type changing struct{ error }

// ended returns the error of the command, which is printed as JSON, too, where that is asked for.
func (a App) ended(err error, asJSON bool) error {
	var begun changing
	began := errors.As(err, &begun)
	if began {
		err = begun.error
	}
	if err != nil && asJSON {
		if printErr := a.printError(err); printErr != nil {
			return printErr
		}
	}
	if began {
		return a.Begun(err)
	}
	return err
}

// maxProbed is up to how many far ends are probed.
const maxProbed = 20

// manyTunnels is from how many tunnels on the progress is shown instead of each step.
const manyTunnels = 4

// changed is how many tunnels are made, changed and deleted. Those that --prune deletes are not in
// the document.
func changed(c reconcile.Changes) int { return len(c.Create) + len(c.Edit) + len(c.Delete) }

// carryOut changes the host, and shows how far it is.
func (a App) carryOut(ctx context.Context, host *nmgre.Host, planned reconcile.Plan, run applyRun) ([]nmgre.Applied, error) {
	n := changed(planned.Changes)
	if n > maxProbed && !run.noProbe {
		run.noProbe = true
		a.tell("so many far ends are not probed: nmgre verify --all asks them together")
	}
	if n >= manyTunnels {
		show, clearBar := progress.Steps(a.Err)
		defer clearBar()
		tell := host.Progress
		host.AdvanceTunnels = show
		host.Progress = func(e nmgre.Event) {
			if e.Step == "" || e.Undo || e.Err != nil || a.Verbose != nil && a.Verbose() {
				tell(e)
			}
		}
	}
	return host.Apply(ctx, planned, run.noProbe)
}

// tellPlan tells a person the steps to come.
func (a App) tellPlan(planned reconcile.Plan, run applyRun) {
	for _, note := range planned.Notes {
		a.tell("%s", note)
	}
	if run.diff {
		return // it is part of the output
	}
	for _, s := range planned.Steps {
		if s.Action != reconcile.None {
			a.tell("%s: %s", fault.Printable(s.Name), doing(s, run.check))
		}
	}
}

// doing words the step of a tunnel, or with check the step that would be taken.
func doing(s reconcile.Step, check bool) string {
	verb, done := "is ", map[reconcile.Action]string{reconcile.Create: "made", reconcile.Change: "changed", reconcile.Delete: "deleted"}[s.Action]
	if check {
		verb = "would be "
	}
	if len(s.Drift) > 0 {
		return verb + "mended: " + reconcile.Words(s.Drift)
	}
	return verb + done
}
