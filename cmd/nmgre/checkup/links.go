package checkup

import (
	"context"
	"slices"

	"nmgre/nm"
	"nmgre/nm/doctor"
	"nmgre/routes/kernel"
)

// maxLinks bounds the links of a report.
const maxLinks = 1000

// links looks for GRE links of the kernel that belong to no profile.
func (v *visit) links(ctx context.Context) func(*doctor.Facts) {
	if v.doors.Kernel == nil {
		return unreadable(doctor.OfLinks, doctor.Failed)
	}
	all, err := v.doors.Kernel.Links(ctx)
	if err != nil {
		return unreadable(doctor.OfLinks, doctor.Failed)
	}
	return func(f *doctor.Facts) {
		for _, l := range all {
			if l.GRE == nil || l.IsFallback() || nm.IsFallback(l.Name) || len(f.Links) == maxLinks {
				continue
			}
			if has := v.profileOf(l); has == nil || has.State == nm.StateExternal || has.State == nm.StateInactive {
				f.Links = append(f.Links, v.link(l, has))
			}
		}
	}
}

// profileOf returns the profile that has the link, or only its name; nil if there is none.
func (v *visit) profileOf(l kernel.Link) *nm.Profile {
	at := slices.IndexFunc(v.profiles, func(p nm.Profile) bool { return p.Device == l.Name })
	if at < 0 {
		at = slices.IndexFunc(v.profiles, func(p nm.Profile) bool { return p.Tunnel.Name == l.Name })
	}
	if at < 0 {
		return nil
	}
	return &v.profiles[at]
}

func (v *visit) link(l kernel.Link, has *nm.Profile) doctor.Link {
	short := doctor.Link{Mode: l.GRE.Mode.String(), Remote: v.names.Address(l.GRE.Remote), Up: l.Up}
	switch {
	case l.GRE.External:
		short.Holder = doctor.HeldMetadata
	case v.files.Managed(l.Index):
		short.Holder = doctor.HeldNetworkd
	case !v.listed:
		short.Holder = doctor.HeldUnknown
	case has != nil && has.State == nm.StateExternal:
		short.Holder = doctor.HeldMirrored
	}
	short.Profile = has != nil && has.State == nm.StateInactive
	return short
}
