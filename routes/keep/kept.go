package keep

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/list"
	"nmgre/routes/rule"
)

// Kept is the part of one tunnel that NetworkManager cannot hold. It lives in a file
// of root's, named by the UUID of the profile. Root acts by that file alone and not by the profile,
// which any local user may own.
type Kept struct {
	UUID   string     // of the profile
	Name   string     // the tunnel's interface
	Remote netip.Addr // the far end's outer address
	// PeerName is the DNS name by which root may follow the far end: then Remote changes. It is
	// empty for a far end that stays.
	PeerName string
	Inner    []netip.Prefix // the tunnel's inner networks, masked: SNAT is for packets from them
	Routes   []routes.Route // the routes that the kernel half owns
	// Policy are the rules of the routing policy that the kernel half owns, each with a priority.
	Policy []rule.Rule
	SNAT   []SNAT
	// the devices between which packets are forwarded, among them the tunnel's; empty for no
	// forwarding
	Forward  []string
	ClampMSS bool // lower the MSS of TCP connections through the tunnel to fit its MTU
	// A tunnel's route covers Remote, this tunnel's own as a rule: keep the far end reachable by a
	// host route, the pin.
	Pin bool
	// Link are the options of the tunnel's link that NetworkManager cannot hold.
	Link gre.LinkOptions

	// Stamp identifies the version of the file that this was read from, so that a change by
	// somebody else is noticed: [StampNone] where there was no file, empty for any version.
	Stamp string

	// Up is the tunnel's profile as the caller has just brought it up, or nil. Where it is given,
	// NetworkManager is not asked for it again: it is busy with the tunnel then. Up is not in the
	// file.
	Up *Running

	// Bad are the lines of the file that could not be read. The other lines count all the same.
	Bad []list.BadLine

	omits bool // the file has routes that are not in Routes, see [Kept.Omitting]
	brief bool // it may have rules that are not in Policy, either
}

// StampNone is the stamp of a file that does not exist.
const StampNone = "none"

// Of returns the kept part of a tunnel. Where there is none, the result is empty but for the
// UUID and [StampNone].
func Of(ctx context.Context, store Store, uuid string) (Kept, error) {
	k, err := store.Get(ctx, uuid)
	return orNone(uuid, k, err)
}

// KnownOf returns the kept part of a tunnel without its routes, and which of a list it has, as
// [Store] says. Where nothing is kept, the result is that of [Of].
func KnownOf(ctx context.Context, store Store, uuid string, of []routes.Route) (Kept, []bool, error) {
	k, has, err := store.Known(ctx, uuid, of)
	if err != nil {
		has = make([]bool, len(of))
	}
	k, err = orNone(uuid, k, err)
	return k, has, err
}

func orNone(uuid string, k Kept, err error) (Kept, error) {
	if errors.Is(err, fault.ErrNotFound) {
		return Kept{UUID: uuid, Stamp: StampNone}, nil
	}
	return k, err
}

// Empty reports whether there is nothing to keep.
func (k Kept) Empty() bool {
	return len(k.Routes) == 0 && len(k.Policy) == 0 && !k.omits && len(k.SNAT) == 0 && len(k.Forward) == 0 && !k.ClampMSS && !k.Pin && !k.Link.Any()
}

// Brief reports whether the routes and rules of a tunnel that is down were left out.
func (k Kept) Brief() bool { return k.brief }

// Omitting returns k as one that was read without some of its routes; brief says that rules may be
// missing, too, as those of a tunnel that is down. It is not empty then.
func (k Kept) Omitting(brief bool) Kept {
	k.omits, k.brief = true, brief
	return k
}

// Same reports whether a and b keep the same for the same tunnel. Their stamps do not count.
func Same(a, b Kept) bool {
	if a.Empty() || b.Empty() {
		return a.Empty() && b.Empty()
	}
	return a.Name == b.Name && a.Remote == b.Remote && a.PeerName == b.PeerName && a.ClampMSS == b.ClampMSS && a.Pin == b.Pin && a.Link == b.Link && slices.Equal(a.Inner, b.Inner) &&
		slices.Equal(a.SNAT, b.SNAT) && slices.Equal(a.Forward, b.Forward) && slices.Equal(a.Policy, b.Policy) && routes.EqualLists(a.Routes, b.Routes)
}

// Clone returns a copy whose lists can be changed. The routes in it still share their nexthops.
func (k Kept) Clone() Kept {
	k.Inner, k.Routes, k.SNAT = slices.Clone(k.Inner), slices.Clone(k.Routes), slices.Clone(k.SNAT)
	k.Forward, k.Bad, k.Policy = slices.Clone(k.Forward), slices.Clone(k.Bad), slices.Clone(k.Policy)
	return k
}

// Summary names the parts in a few words, such as "3 routes, SNAT, forwarding".
func (k Kept) Summary() string {
	var parts []string
	if n := len(k.Routes); n > 0 {
		parts = append(parts, routes.CountText(n))
	}
	if n := len(k.Policy); n > 0 {
		parts = append(parts, rule.CountText(n)+" of the routing policy")
	}
	if k.Pin {
		parts = append(parts, "the route to the far end")
	}
	if len(k.SNAT) > 0 {
		parts = append(parts, "SNAT")
	}
	if len(k.Forward) > 0 {
		parts = append(parts, "forwarding")
	}
	if k.ClampMSS {
		parts = append(parts, "the MSS clamp")
	}
	parts = append(parts, k.Link.Names()...)
	return strings.Join(parts, ", ")
}

// MaxRouteSteps is up to how many routes of the kernel half are shown one by one.
const MaxRouteSteps = 20

// IPCommands returns the `ip route` and `ip rule` commands for the routes and rules, a command
// each. The verb is add, replace or del. It leaves out more than [MaxRouteSteps] routes, and as
// many rules.
func (k Kept) IPCommands(verb string) []string {
	var commands []string
	if len(k.Routes) <= MaxRouteSteps {
		for _, r := range k.Routes {
			commands = append(commands, r.IPRoute(verb, k.Name))
		}
	}
	if len(k.Policy) <= MaxRouteSteps {
		for _, r := range k.Policy {
			commands = append(commands, r.IPRule(verb))
		}
	}
	return commands
}
