package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// checkKept looks at what root keeps for the tunnel: that it can be read, that it comes back by
// itself, and that the kernel has the routes.
func (v *verifier) checkKept(ctx context.Context) error {
	if err := v.readKept(ctx); err != nil {
		v.report.add(Check{ID: "kept", Status: Fail, Certainty: Proved, Summary: "what nmgre keeps for the tunnel cannot be read", Evidence: err.Error(),
			Hint: firstHint(err, "nothing of it is put back when the tunnel comes up: mend the file, or delete the tunnel and make it anew")})
		return nil
	}
	if v.kept.Empty() && len(v.kept.Bad) == 0 {
		return nil
	}
	v.report.add(v.checkFile())
	v.report.add(v.checkHook(ctx))
	if v.link == nil || len(v.kept.Routes) == 0 {
		return nil
	}
	var err error
	if v.missing, err = keep.Missing(ctx, v.host.Kernel, v.profile.Running(), v.kept); err != nil {
		return err
	}
	if len(v.kept.Routes) > maxRouteChecks {
		v.report.add(v.checkManyRoutes())
	}
	return nil
}

func (v *verifier) readKept(ctx context.Context) (err error) {
	if v.opts.Kept != nil {
		v.kept = *v.opts.Kept
		return nil
	}
	v.kept, err = keep.Of(ctx, v.host.Store, v.profile.UUID)
	return err
}

// firstHint is the hint that err has, or another.
func firstHint(err error, otherwise string) string {
	if hints := fault.Hints(err); len(hints) > 0 {
		return hints[0]
	}
	return otherwise
}

// checkFile tells of lines that could not be read.
func (v *verifier) checkFile() Check {
	c := Check{ID: "kept", Status: Pass, Certainty: Proved, Summary: "nmgre keeps for it: " + v.kept.Summary(), Evidence: v.kept.UUID}
	if len(v.kept.Bad) == 0 {
		return c
	}
	bad := v.kept.Bad[0]
	c.Status, c.Summary = Fail, fmt.Sprintf("line %d of what nmgre keeps for it cannot be read", bad.Line)
	if n := len(v.kept.Bad); n > 1 {
		c.Summary = fmt.Sprintf("%d lines of what nmgre keeps for it cannot be read, line %d first", n, bad.Line)
	}
	c.Evidence, c.Hint = bad.Err.Error(), "mend the line, or remove it; the others count"
	return c
}

func (v *verifier) checkHook(ctx context.Context) Check {
	err := v.host.Store.HookMissing(ctx)
	if err == nil {
		return Check{ID: "hook", Status: Pass, Certainty: Proved, Summary: "NetworkManager's dispatcher puts it back whenever the tunnel comes up"}
	}
	return Check{ID: "hook", Status: Warn, Certainty: Proved, Summary: "what nmgre keeps is not put back when the tunnel comes up again",
		Evidence: err.Error(), Hint: firstHint(err, "set it up: sudo nmgre install-hook")}
}

// putBackHint says how what is missing comes back.
func (v *verifier) putBackHint() string {
	return "put it back: sudo nmgre up " + fault.ShellWord(v.profile.Tunnel.Name)
}

func (v *verifier) missingRoute(r routes.Route) Check {
	return Check{ID: routeID(r), Status: Fail, Certainty: Proved, Summary: "the kernel does not have it as it should be", Evidence: r.String(), Hint: v.putBackHint()}
}

// checkManyRoutes compares a long list at once.
func (v *verifier) checkManyRoutes() Check {
	all, gone := len(v.kept.Routes), len(v.missing)
	c := Check{ID: "routes", Status: Pass, Certainty: Proved, Summary: fmt.Sprintf("the kernel has all %d routes", all)}
	if gone == 0 {
		return c
	}
	c.Status, c.Summary, c.Hint = Fail, fmt.Sprintf("the kernel lacks %d of %d routes", gone, all), v.putBackHint()
	for i, r := range v.kept.Routes {
		if v.missing[i] {
			c.Evidence = "such as " + r.String()
			break
		}
	}
	return c
}

// checkForwarded looks at what is done to packets that are forwarded.
func (v *verifier) checkForwarded(ctx context.Context) error {
	if v.link == nil {
		return nil
	}
	for _, dev := range v.kept.Forward {
		c, err := v.checkForward(ctx, dev)
		if err != nil {
			return err
		}
		v.report.add(c)
	}
	if err := v.checkRules(ctx); err != nil {
		return err
	}
	return v.checkObstacles(ctx)
}

func (v *verifier) checkForward(ctx context.Context, dev string) (Check, error) {
	c := Check{ID: "forwarding " + fault.Printable(dev), Status: Pass, Certainty: Proved, Summary: "packets that come in by " + fault.Printable(dev) + " are forwarded"}
	on, err := v.host.Gateway.Forwarding(ctx, dev)
	switch {
	case errors.Is(err, fault.ErrNotFound):
		c.Status, c.Summary, c.Hint = Fail, "there is no device "+fault.Printable(dev)+" to forward from", "bring its connection up"
	case err != nil:
		return c, err
	case !on:
		c.Status, c.Summary, c.Hint = Fail, "packets that come in by "+fault.Printable(dev)+" are not forwarded", v.putBackHint()
	}
	return c, nil
}

// checkRules compares nmgre's rules with those that there should be.
func (v *verifier) checkRules(ctx context.Context) error {
	want := v.kept.Rules()
	if len(want) == 0 {
		return nil
	}
	missing, err := v.host.Gateway.Missing(ctx, want)
	if err != nil && !errors.Is(err, fault.ErrNotPermitted) {
		return err
	}
	for i, r := range want {
		c := Check{ID: r.ID(), Status: Pass, Certainty: Proved, Summary: "there is a rule to " + r.Summary()}
		switch {
		case err != nil:
			c = skip(c.ID, "not checked: only root can read the rules")
		case slices.Contains(missing, i):
			c.Status, c.Summary, c.Hint = Fail, "the rule is missing to "+r.Summary(), v.putBackHint()
			c.Evidence = fmt.Sprintf("nmgre's nftables tables lack %d of %d rules", len(missing), len(want))
		}
		v.report.add(c)
	}
	return nil
}

// checkObstacles looks for what drops forwarded packets whatever nmgre does.
func (v *verifier) checkObstacles(ctx context.Context) error {
	if len(v.kept.Forward) == 0 {
		return nil
	}
	obstacles, err := v.host.Gateway.Obstacles(ctx, v.kept.Forward)
	if errors.Is(err, fault.ErrNotPermitted) {
		return nil
	}
	for _, o := range obstacles {
		v.report.add(Check{ID: "firewall", Status: Warn, Certainty: Likely, Summary: fault.Printable(o.What), Hint: o.Hint})
	}
	return err
}
