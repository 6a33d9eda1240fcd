package verify

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Options say how a tunnel is verified.
type Options struct {
	NoProbe     bool       // nothing is sent
	PeerAddress netip.Addr // the far end's inner address; zero for the profile's
}

// Settings say how [Run] verifies a tunnel.
type Settings struct {
	Probe bool       // echo requests are sent to the far end
	Kept  *keep.Kept // root's part of the tunnel, when it is known; nil to read it
	// BeforeSave says that the tunnel is being made: its profile is not on disk yet, and the far
	// end may not be there yet.
	BeforeSave bool
	Want       *nm.Tunnel  // the request, when it is known; nil to go by the profile
	Each       func(Check) // is told of each check as it comes in; may be nil
}

// Run makes all checks. A check that needs something which an earlier one found missing is skipped.
// The links and each way are asked for once; the counters once more after the probe.
func Run(ctx context.Context, sys nm.System, p nm.Profile, opts Settings) (Report, error) {
	v := verifier{host: sys, profile: p, tunnel: p.Tunnel, opts: opts, report: Report{Tunnel: p.Tunnel.Name, Verdict: Pass, each: opts.Each}}
	v.host.Kernel, v.now = kernel.Once(sys.Kernel), sys.Kernel
	if opts.Want != nil {
		v.tunnel = *opts.Want
	}
	var err error
	if v.links, err = v.host.Kernel.Links(ctx); err != nil {
		return v.report, err
	}
	v.link = kernel.Named(v.links, p.Tunnel.Name)
	v.report.Link = v.link
	v.report.add(checkProfile(p, opts.BeforeSave))
	v.report.add(v.checkDevice())
	v.report.add(v.checkLink())
	v.report.add(v.checkAddresses())
	for _, check := range []func(context.Context) error{v.checkKept, v.checkRoutes, v.checkForwarded, v.checkUnderlay, v.checkPeer} {
		if err := check(ctx); err != nil {
			return v.report, fault.Ended(ctx, err)
		}
	}
	return v.report, nil
}

// verifier gathers a report on one tunnel.
type verifier struct {
	host    nm.System     // its kernel is asked each question once
	now     kernel.Kernel // the kernel at this moment
	profile nm.Profile
	tunnel  nm.Tunnel // what it should be
	opts    Settings
	links   []kernel.Link
	link    *kernel.Link // nil if there is none
	kept    keep.Kept
	missing map[int]bool // of kept.Routes, those that the kernel does not have
	// into returns those routes into the link that go where one of those does that are looked at.
	into   func() ([]kernel.HeldRoute, error)
	report Report
}

// skip is a check that could not be made because there is no link.
func skip(id, why string) Check {
	return Check{ID: id, Status: Skip, Certainty: Proved, Summary: why}
}

const noLink = "not checked: there is no link"

const profileID = "profile"

// checkProfile looks at the profile, before it is saved or as it stands.
func checkProfile(p nm.Profile, beforeSave bool) Check {
	c := Check{ID: profileID, Status: Pass, Certainty: Proved, Summary: "NetworkManager holds the profile, on disk",
		Evidence: fmt.Sprintf("%s %s %s", fault.Printable(p.ID), p.UUID, fault.Printable(p.Path))}
	switch {
	case p.State == nm.StateExternal:
		c.Status, c.Summary = Warn, "the link was made by hand, and is lost at the next reboot"
		c.Hint = "make it anew with nmgre create, so that NetworkManager holds it"
	case beforeSave:
		c.Summary = "NetworkManager holds the profile, in memory as long as it is on trial"
	case p.Unsaved:
		c.Status, c.Summary = Warn, "the profile is not on disk as it stands, and is lost at the next reboot"
		c.Hint = "write it to disk: nmcli connection modify " + p.UUID + " connection.autoconnect yes"
	}
	return c
}

func (v *verifier) checkDevice() Check {
	p := v.profile
	c := Check{ID: "device", Status: Pass, Certainty: Proved, Summary: "NetworkManager has it activated", Evidence: "state " + string(p.State)}
	if p.DeviceState != "" {
		c.Evidence += ", device " + fault.Printable(p.DeviceState)
	}
	if p.State == nm.StateActive || p.State == nm.StateExternal {
		return c
	}
	if p.Reason != "" {
		c.Evidence += ": " + fault.Printable(p.Reason)
	}
	c.Status, c.Summary, c.Hint = Fail, "the tunnel is not up", "bring it up: nmgre up "+fault.ShellWord(p.Tunnel.Name)
	if p.State == nm.StateActivating {
		c.Summary, c.Hint = "the tunnel is still coming up", "try again in a moment"
	}
	return c
}

// checkAddresses compares the inner addresses with the device's.
func (v *verifier) checkAddresses() Check {
	const id = "addresses"
	if v.link == nil {
		return skip(id, noLink)
	}
	c := Check{ID: id, Status: Pass, Certainty: Proved, Summary: "the inner addresses are set", Evidence: joinText(v.link.Addresses)}
	var missing []netip.Prefix
	for _, p := range v.tunnel.Addresses {
		if !containsPrefix(v.link.Addresses, p) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		c.Status, c.Summary = Fail, joinText(missing)+" is not on the device"
		c.Hint = "somebody has removed it; set it again: nmcli connection up " + fault.ShellWord(fault.Printable(v.profile.ID))
		return c
	}
	var extra []netip.Prefix
	for _, p := range v.link.Addresses {
		if !p.Addr().IsLinkLocalUnicast() && !containsPrefix(v.tunnel.Addresses, p) {
			extra = append(extra, p)
		}
	}
	if len(extra) > 0 {
		c.Status, c.Summary = Warn, joinText(extra)+" is on the device, but not in the profile"
		c.Hint = "somebody has added it by hand; it is lost when the tunnel goes down"
	}
	return c
}

func containsPrefix(list []netip.Prefix, p netip.Prefix) bool {
	for _, q := range list {
		if p == q {
			return true
		}
	}
	return false
}

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

// The probe of a verify: at most four packets, and no more than are needed to be sure.
const (
	probeCount    = 4
	probeEnough   = 2
	probeInterval = 300 * time.Millisecond
)
