package nmgre

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// VerifyOptions say how a tunnel is verified.
type VerifyOptions struct {
	NoProbe     bool       // nothing is sent
	PeerAddress netip.Addr // the far end's inner address; zero for the profile's
}

// Verify proves what can be proved of a tunnel, layer by layer: the profile, the device, the link, its addresses and routes, the way
// to the far end, the MTU, and, by an echo through the tunnel, that the far end answers. It changes nothing.
func (h *Host) Verify(ctx context.Context, name string, opts VerifyOptions) (Report, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return Report{}, err
	}
	if opts.PeerAddress.IsValid() {
		p.Tunnel.PeerAddress = opts.PeerAddress
		if err := errors.Join(asErrors(checkPeerAddress(p.Tunnel))...); err != nil {
			return Report{}, err
		}
	}
	return h.verify(ctx, p, verifyOptions{probe: !opts.NoProbe})
}

func asErrors(problems []*Error) []error {
	errs := make([]error, len(problems))
	for i, problem := range problems {
		errs[i] = problem
	}
	return errs
}

type verifyOptions struct {
	probe      bool
	kept       *Kept   // what root keeps, when it is known; else it is read
	beforeSave bool    // the tunnel is being made: its profile is not on disk yet, and the far end may not be there yet
	want       *Tunnel // what was asked for, when it is known; else the profile is what counts
	each       func(Check)
}

// verify makes all checks, and tells of each.
func (h *Host) verify(ctx context.Context, p Profile, opts verifyOptions) (Report, error) {
	opts.each = h.Checked
	return verifyTunnel(ctx, h.System, p, opts)
}

// verifyTunnel makes all checks. Those that need what an earlier one found missing are skipped.
func verifyTunnel(ctx context.Context, h System, p Profile, opts verifyOptions) (Report, error) {
	v := verifier{host: h, profile: p, tunnel: p.Tunnel, opts: opts, report: Report{Tunnel: p.Tunnel.Name, Verdict: Pass, each: opts.each}}
	if opts.want != nil {
		v.tunnel = *opts.want
	}
	var err error
	if v.links, err = h.Kernel.Links(ctx); err != nil {
		return v.report, err
	}
	v.link = findLink(v.links, p.Tunnel.Name)
	v.report.add(v.checkProfile())
	v.report.add(v.checkDevice())
	v.report.add(v.checkLink())
	v.report.add(v.checkAddresses())
	for _, check := range []func(context.Context) error{v.checkKept, v.checkRoutes, v.checkForwarded, v.checkUnderlay, v.checkPeer} {
		if err := check(ctx); err != nil {
			return v.report, withContext(ctx, err)
		}
	}
	return v.report, nil
}

// verifier gathers a report on one tunnel.
type verifier struct {
	host    System
	profile Profile
	tunnel  Tunnel // what it should be
	opts    verifyOptions
	links   []Link
	link    *Link // nil if there is none
	kept    Kept
	missing map[int]bool // of kept.Routes, those that the kernel does not have
	// into returns those routes into the link that go where one of those does that are looked at.
	into   func() ([]KernelRoute, error)
	report Report
}

// skip is a check that could not be made because there is no link.
func skip(id, why string) Check {
	return Check{ID: id, Status: Skip, Certainty: Proved, Summary: why}
}

const noLink = "not checked: there is no link"

func (v *verifier) checkProfile() Check {
	p := v.profile
	c := Check{ID: "profile", Status: Pass, Certainty: Proved, Summary: "NetworkManager holds the profile, on disk",
		Evidence: fmt.Sprintf("%s %s %s", Printable(p.ID), p.UUID, Printable(p.Path))}
	switch {
	case p.State == StateExternal:
		c.Status, c.Summary = Warn, "the link was made by hand, and is lost at the next reboot"
		c.Hint = "make it anew with nmgre create, so that NetworkManager holds it"
	case v.opts.beforeSave:
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
		c.Evidence += ", device " + Printable(p.DeviceState)
	}
	if p.State == StateActive || p.State == StateExternal {
		return c
	}
	if p.Reason != "" {
		c.Evidence += ": " + Printable(p.Reason)
	}
	c.Status, c.Summary, c.Hint = Fail, "the tunnel is not up", "bring it up: nmgre up "+shellQuote(p.Tunnel.Name)
	if p.State == StateActivating {
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
		c.Hint = "somebody has removed it; set it again: nmcli connection up " + shellQuote(Printable(v.profile.ID))
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
