package verify

import (
	"context"
	"slices"
	"strings"
	"time"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/verify/cause"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// linkGoes is how long a link may stay after its profile is down.
const linkGoes = 200 * time.Millisecond

// lookBeside looks for other tunnels that have the tunnel's names, and chooses the name for
// commands. If the tunnel is down and a link has its interface name, that is another's: it is
// returned, and the tunnel counts as one without a link.
func (v *verifier) lookBeside(ctx context.Context) (*cause.Shadow, error) {
	p := v.profile
	shadow := p.State == nm.StateInactive && v.link != nil
	others := v.opts.Others
	if others == nil && shadow {
		var err error
		if others, err = v.sys.Profiles.List(ctx); err != nil {
			return nil, err
		}
	}
	v.twins, v.name = find.Twins(others, p), p.Tunnel.Name
	if len(v.twins) > 0 {
		v.name = p.UUID
	}
	if !shadow {
		return nil, nil
	}
	s := &cause.Shadow{Profile: p, Link: *v.link}
	v.link = nil
	if i := slices.IndexFunc(v.twins, func(t nm.Profile) bool { return t.Device == s.Link.Name }); i >= 0 {
		s.By = &v.twins[i]
		return s, nil
	}
	// NetworkManager may say that a tunnel is down before the kernel has removed its link
	select {
	case <-time.After(linkGoes):
	case <-ctx.Done():
	}
	links, err := v.now.Links(ctx)
	if err != nil || kernel.Named(links, s.Link.Name) == nil {
		return nil, err
	}
	return s, nil
}

// besideTwins adds to the check of the profile which other profiles have its names. For a link made
// by hand that stands in the place of a profile, the hint brings that profile up.
func (v *verifier) besideTwins(c Check) Check {
	if len(v.twins) == 0 {
		return c
	}
	var uuids []string
	for _, t := range v.twins {
		c.Evidence += "; beside it " + t.Which()
		uuids = append(uuids, t.UUID)
		if v.profile.State == nm.StateExternal && t.State == nm.StateInactive && t.Tunnel.Name == v.profile.Tunnel.Name {
			c.Hint = "the profile " + t.Which() + " is for the same interface: sudo ip link delete dev " + fault.ShellWord(t.Tunnel.Name) + " && nmgre up " + fault.Operand(t.UUID)
		}
	}
	c.Facts = c.Facts.With(Facts{"uuid": v.profile.UUID, "twins": strings.Join(uuids, ", ")})
	return c
}

// nmcli returns the word by which nmcli finds the profile.
func (v *verifier) nmcli() string {
	if len(v.twins) > 0 {
		return fault.ShellWord(v.profile.UUID)
	}
	return v.profile.Nmcli()
}
