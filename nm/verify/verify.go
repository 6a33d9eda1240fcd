package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/verify/behind"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/differ"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Options are the user's choices for a verification.
type Options struct {
	NoProbe     bool       // no echo requests are sent
	PeerAddress netip.Addr // the far end's inner address; the zero Addr stands for the profile's
	// To are addresses behind the far end, at most [MaxTo], that are to be reached through the
	// tunnel.
	To []netip.Addr
	// Networks says that the far end is asked whether it forwards to the networks of the routes,
	// where To is empty. That takes no time.
	Networks bool
}

// Settings tell [Run] how to verify a tunnel.
type Settings struct {
	Probe bool       // echo requests are sent to the far end
	Kept  *keep.Kept // kept by root for the tunnel; nil to read it from root's file
	// BeforeSave says that the tunnel is being made or edited. Its profile is not on disk yet, and
	// the far end may not exist yet.
	BeforeSave bool
	// NoLongList says that a long list of kept routes is not compared with the kernel's.
	NoLongList   bool
	FailuresOnly bool         // the look for firewalls, which can only warn, is left out
	To           []netip.Addr // behind the far end, as those of [Options]
	Networks     bool         // as that of [Options]
	InCrowd      bool         // other tunnels are verified at the same time
	Want         *nm.Tunnel   // compared with the kernel instead of the profile; nil for the profile
	Each         func(Check)  // is called with each check; may be nil
	Others       []nm.Profile // the host's profiles, where known: some may have the tunnel's names
}

// Run makes all checks of the tunnel p. It skips a check that needs something which an earlier
// check found missing. It asks the kernel once for the links and for each way, and once more for
// the counters after the probe, during which it listens to the tunnel's packets if the system can.
// It fails if the host cannot be read, or ctx ends.
func Run(ctx context.Context, sys nm.System, p nm.Profile, opts Settings) (Report, error) {
	v := verifier{sys: sys, profile: p, tunnel: p.Tunnel, opts: opts, report: Report{Tunnel: p.Tunnel.Name, Verdict: Pass, each: opts.Each}}
	v.sys.Kernel, v.now = kernel.Once(sys.Kernel), sys.Kernel
	if opts.Want != nil {
		v.tunnel = *opts.Want
	}
	var err error
	if v.links, err = v.sys.Kernel.Links(ctx); err != nil {
		return v.report, err
	}
	v.link = kernel.Named(v.links, p.Tunnel.Name)
	shadow, err := v.lookBeside(ctx)
	if err != nil {
		return v.report, err
	}
	v.report.Link = v.link
	unread := v.readKept(ctx)
	v.tunnel.Link = differ.Options(p, v.link, v.kept.Link)
	v.ev = cause.Evidence{Tunnel: v.tunnel, Name: v.name, Link: v.link, Links: v.links, BeforeSave: opts.BeforeSave, Shadow: shadow}
	v.report.add(v.besideTwins(checkProfile(p, opts.BeforeSave)))
	v.report.add(v.checkDevice())
	v.report.add(v.checkLink())
	v.report.add(v.checkAddresses())
	for _, c := range []Check{v.checkOptions(), v.checkPort()} {
		if c.ID != "" {
			v.report.add(c)
		}
	}
	v.checkWarnings()
	for _, check := range []func(context.Context) error{func(ctx context.Context) error { return v.checkKept(ctx, unread) }, v.checkPolicy, v.checkRoutes, v.checkLANs, v.checkGateway, v.checkUnderlay, v.checkObstacles, v.checkName, v.checkZone, v.lookBehind, v.sendProbe, v.watchCounters, v.checkMTU, v.checkPeer, v.checkMorePeers, v.checkBehind} {
		if err := check(ctx); err != nil {
			return v.report, fault.Ended(ctx, err)
		}
	}
	v.report.setWorks(append(v.ev.Works(), v.worksBehind()...))
	return v.report, nil
}

// verifier makes the report on one tunnel.
type verifier struct {
	sys       nm.System     // asks its kernel each question once
	now       kernel.Kernel // asks the kernel each time
	profile   nm.Profile
	tunnel    nm.Tunnel // as it should be
	opts      Settings
	name      string       // for nmgre's commands: the UUID if other tunnels have the tunnel's names
	twins     []nm.Profile // those
	links     []kernel.Link
	link      *kernel.Link // the tunnel's; nil if there is no link
	kept      keep.Kept
	missing   map[int]bool      // the indexes of kept.Routes that the kernel does not have
	rules     []rule.Rule       // the tunnel's
	heldRules []kernel.HeldRule // the kernel's
	// heldRoutes returns the kernel's routes into the link to the destinations of the checked
	// routes.
	heldRoutes func() ([]kernel.HeldRoute, error)
	ev         cause.Evidence
	// the answers of each address of opts.To, or of networks
	behind   []behind.Found
	asking   *behind.Asking   // asks for them; nil before the probe
	wrongWay bool             // the check of the underlay failed
	probeErr error            // why the probe could not be sent
	watched  *kernel.Counters // of a tunnel that is never probed; nil for others
	inZone   string           // firewalld's zone of the tunnel; empty until asked, and where there is none
	asked    bool
	report   Report
}

// checkWarnings adds a check for each fault that the links and the profile alone show, and that a
// tunnel works with.
func (v *verifier) checkWarnings() {
	v.addWarning("ttl", "ttl-inherit")
	v.addWarning("fallback", "fallback-up")
	v.checkWeights()
}

// addWarning adds the check with that ID if the cause is there.
func (v *verifier) addWarning(id, causeID string) {
	if found := cause.Warning(causeID, v.ev); found != nil {
		v.report.add(checkOf(id, found))
	}
}

// checkOf is a finding as a check with that ID.
func checkOf(id string, f *cause.Finding) Check {
	c := Check{ID: id, Status: Fail, Certainty: f.Certainty, Cause: f.ID, Place: f.At, Summary: f.Summary, Evidence: f.Evidence, Hint: f.Hint, Advice: f.Advice, Facts: f.Facts}
	if f.Warns {
		c.Status = Warn
	}
	return c
}

// skip is a check that cannot be made. why is its summary.
func skip(id, why string) Check {
	return Check{ID: id, Status: Skip, Certainty: Proved, Summary: why}
}

const noLink = "not checked: there is no link"

const profileID = "profile"

// checkProfile checks that the profile is on disk, or in memory only before it is saved.
func checkProfile(p nm.Profile, beforeSave bool) Check {
	c := Check{ID: profileID, Status: Pass, Certainty: Proved, Summary: "NetworkManager has the profile, on disk",
		Evidence: strings.TrimSpace(p.Called() + " " + fault.Printable(p.Path))}
	switch {
	case p.State == nm.StateExternal:
		c.Status, c.Summary = Warn, "the link was made by hand: it is lost at the next reboot"
		c.Hint = "make a profile of it, while it is up: sudo nmgre adopt " + fault.Operand(p.Tunnel.Name)
	case beforeSave:
		c.Summary = "NetworkManager has the profile, in memory only until all is verified"
	case p.Unsaved:
		c.Status, c.Summary = Warn, "the profile, or its latest change, is not on disk: it is lost at the next reboot"
		// as it is: nmcli wants something to write
		autoconnect := map[bool]string{true: "yes", false: "no"}[p.Tunnel.Autoconnect]
		c.Hint = "write it to disk: nmcli connection modify " + p.Nmcli() + " connection.autoconnect " + autoconnect
	}
	return c
}

// checkDevice checks that the tunnel is up for NetworkManager.
func (v *verifier) checkDevice() Check {
	p := v.profile
	c := Check{ID: "device", Status: Pass, Certainty: Proved, Summary: "NetworkManager has activated the tunnel", Evidence: "state " + string(p.State)}
	if p.DeviceState != "" {
		c.Evidence += ", device " + fault.Printable(p.DeviceState)
	}
	if p.State == nm.StateActive || p.State == nm.StateExternal {
		return c
	}
	if p.Reason != "" {
		c.Evidence += ": " + fault.Printable(p.Reason)
	}
	if found := cause.OfProfile(v.ev); found != nil {
		return checkOf(c.ID, found)
	}
	c.Status, c.Cause, c.Summary, c.Hint = Fail, cause.NotUp, "the tunnel is not up", find.UpHint(v.tunnel, v.name)
	if p.State == nm.StateActivating {
		c.Cause, c.Summary, c.Hint = cause.ComingUp, "the tunnel is still coming up", "try again in a moment"
	} else if err := v.sys.Kernel.Supports(v.tunnel.Mode); errors.Is(err, fault.ErrUnsupported) {
		c.Cause, c.Summary, c.Hint = cause.NoGREHere, "the tunnel is not up: this kernel has no tunnels of its mode", strings.Join(fault.Hints(err), "; ")
		c.Evidence += "; " + err.Error()
	}
	return c
}

// checkAddresses compares the inner addresses with those of the device.
func (v *verifier) checkAddresses() Check {
	const id = "addresses"
	if v.link == nil {
		return skip(id, noLink)
	}
	c := Check{ID: id, Status: Pass, Certainty: Proved, Summary: "the inner addresses are set", Evidence: joinText(v.link.Addresses)}
	var missing []netip.Prefix
	for _, p := range v.tunnel.Addresses {
		if !slices.Contains(v.link.Addresses, p) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		c.Status, c.Cause, c.Summary = Fail, cause.AddressMissing, "the device does not have "+joinText(missing)
		c.Hint = "set it again: nmcli connection up " + v.nmcli()
		return c
	}
	var extra []netip.Prefix
	for _, p := range v.link.Given(v.tunnel.Addresses) {
		if !slices.Contains(v.tunnel.Addresses, p) {
			extra = append(extra, p)
		}
	}
	if len(extra) > 0 {
		c.Status, c.Cause, c.Summary = Warn, cause.AddressExtra, "the device has "+joinText(extra)+", which is not in the profile"
		c.Hint = "it was added by hand, and is lost when the tunnel goes down"
	}
	return c
}

// joinText joins the texts of the items with commas.
func joinText[T fmt.Stringer](list []T) string {
	text := ""
	for i, item := range list {
		if i > 0 {
			text += ", "
		}
		text += item.String()
	}
	return text
}
