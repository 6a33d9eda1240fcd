package nm

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// fallbackDevices are the kernel's own devices. They appear in every network namespace when their
// module is loaded.
var fallbackDevices = []string{"gre0", "gretap0", "erspan0", "ip6gre0", "ip6tnl0", "tunl0", "sit0", "ip_vti0", "ip6_vti0"}

// reservedNames have another meaning for the kernel's sysctls or for NetworkManager.
var reservedNames = []string{"all", "default", "bonding_masters", "lo"}

// IsFallback says whether name is that of a fallback device of the kernel's own, which nobody can
// make or delete.
func IsFallback(name string) bool { return slices.Contains(fallbackDevices, name) }

const nameHint = "use 1 to 15 letters, digits, '-', '_' or '.', such as gre1"

// checkName refuses a name that a new tunnel's interface cannot or should not have.
func checkName(name string) *fault.Error {
	switch {
	case name == "":
		return fault.Invalid("name", nameHint, "the name is empty")
	case len(name) > routes.MaxDeviceName:
		return fault.Invalid("name", nameHint, "\"%.80s\" is %d bytes long, and the kernel allows 15", fault.Printable(name), len(name))
	case IsFallback(name):
		return fault.Invalid("name", "leave --name out to get the first free one of gre1, gre2, ...",
			"%s is a fallback device of the kernel's own", name)
	case slices.Contains(reservedNames, name) || name == "." || name == "..":
		return fault.Invalid("name", nameHint, "%s has another meaning for the kernel or NetworkManager", name)
	case strings.IndexFunc(name, notInName) >= 0:
		return fault.Invalid("name", nameHint, "%.80q has a character that interface names should not have", name)
	case name[0] == '-':
		return fault.Invalid("name", nameHint, "%.80q begins with '-': commands would read it as an option", name)
	}
	return nil
}

// notInName is stricter than the kernel, which allows all characters but white space, '/' and ':'.
func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
}

// FreeName returns the first of gre1, gre2, ... that is not taken.
func FreeName(taken map[string]bool) string {
	for i := 1; ; i++ {
		if name := fmt.Sprintf("gre%d", i); !taken[name] {
			return name
		}
	}
}

// Problems returns everything that is wrong with the tunnel on any host. Each problem is a
// [fault.ErrInvalid] whose field is a flag of `nmgre create`. Name and Local may be undecided.
// NetworkManager and the kernel can hold a tunnel without problems. Whether this host can have it
// is decided by package plan.
func (t Tunnel) Problems() fault.List {
	var problems fault.List
	for _, check := range []func(Tunnel) fault.List{
		checkMode, checkOuter, checkEnds, checkParent, checkHeader, checkLink, checkPort, checkMTU, CheckAddresses, CheckPeerAddress, checkInnerAgainstOuter, CheckRoutes, CheckRules, CheckForwarding,
	} {
		problems.Add(check(t)...)
	}
	if t.Name != "" {
		problems.Add(checkName(t.Name))
	}
	return problems
}

// Validate returns the [Tunnel.Problems] joined into one error. It is nil if there are no problems.
func (t Tunnel) Validate() error { return t.Problems().Err() }

func checkMode(t Tunnel) fault.List {
	if t.Mode.Known() {
		return nil
	}
	return fault.List{fault.Invalid("mode", "use gre, gretap, ip6gre or ip6gretap", "the mode is missing")}
}

// checkOuter checks the addresses that carry the tunnel.
func checkOuter(t Tunnel) fault.List {
	if !t.Remote.IsValid() {
		return fault.List{fault.Invalid("peer", "give the far end's outer address, such as --peer 203.0.113.2", "the far end's outer address is missing")}
	}
	var problems fault.List
	problems.Add(checkOuterAddr(t, "peer", t.Remote))
	if t.Remote.IsUnspecified() {
		problems.Add(fault.Invalid("peer", "give the address or the name of one far end, such as --peer 203.0.113.2; nmgre makes no tunnels with many ends (mGRE)",
			"%s is not the address of a host", t.Remote))
	}
	// nm-linux-platform.c tests local where it should test remote
	if t.Local.IsValid() && t.Local.IsUnspecified() && t.Mode.IPv6Outer() {
		problems.Add(fault.Invalid("local", "give one of this host's addresses, or leave --local out and nmgre finds it",
			"with no local address, NetworkManager loses the far end of a tunnel over IPv6"))
		return problems
	}
	if !t.Local.IsValid() || t.Local.IsUnspecified() && t.Local.Is6() == t.Mode.IPv6Outer() {
		return problems
	}
	problems.Add(checkOuterAddr(t, "local", t.Local))
	if t.Local == t.Remote {
		problems.Add(fault.Invalid("peer", "--local is this end's outer address, --peer the far end's", "the far end and this end have the same outer address %s", t.Remote))
	}
	return problems
}

func checkOuterAddr(t Tunnel, field string, a netip.Addr) *fault.Error {
	switch {
	case a.Is4In6():
		return fault.Invalid(field, "write it as "+a.Unmap().String(), "%s is an IPv4 address written as an IPv6 address", fault.Printable(a.String()))
	case !t.Mode.Fits(a):
		return familyProblem(t.Mode, field, a)
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fault.Invalid(field, "a tunnel has two ends: give the address of one host", "%s is not the address of one host", fault.Printable(a.String()))
	case a.IsLoopback():
		return fault.Invalid(field, "give the address that the other end sends to", "packets to %s never leave this host", fault.Printable(a.String()))
	case a.Zone() != "":
		return fault.Invalid(field, "leave the zone out, and give its device as --parent "+fault.Printable(a.Zone()), "%s has a zone", fault.Printable(a.String()))
	case isLinkLocal6(a) && t.Parent == "" && !isLinkLocal6(t.Local): // a local one has its device
		return fault.Invalid("parent", "name the device with --parent", "%s is a link-local address: it is ambiguous without a device", a)
	}
	return nil
}

func isLinkLocal6(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// familyProblem says that mode and address are of different families, and proposes the mode that
// fits the address. A missing mode is [checkMode]'s problem.
func familyProblem(m gre.Mode, field string, a netip.Addr) *fault.Error {
	if !m.Known() {
		return nil
	}
	proposed := map[gre.Mode]gre.Mode{gre.ModeGRE: gre.ModeIP6GRE, gre.ModeIP6GRE: gre.ModeGRE, gre.ModeGRETAP: gre.ModeIP6GRETAP, gre.ModeIP6GRETAP: gre.ModeGRETAP}[m]
	carrier, family := "IPv4", "IPv6"
	if m.IPv6Outer() {
		carrier, family = family, carrier
	}
	return fault.Invalid(field, fmt.Sprintf("use --mode %s, or %s", proposed, map[bool]string{true: "--local auto, which finds this end's own", false: "an address of the other family"}[field == "local"]),
		"%s is an %s address, and mode %s needs %s", fault.Printable(a.String()), family, m, carrier)
}

func checkParent(t Tunnel) fault.List {
	switch {
	case t.Parent == "":
		return nil
	case t.Parent == t.Name:
		return fault.List{fault.Invalid("parent", "name the device that carries the tunnel, such as eth0, or leave --parent out", "the tunnel cannot be its own parent")}
	case !keep.IsUUID(t.Parent) && (len(t.Parent) > routes.MaxDeviceName || fault.Printable(t.Parent) != t.Parent):
		return fault.List{fault.Invalid("parent", "give an interface's name or the UUID of its profile", "\"%.80s\" is neither an interface's name nor a UUID", fault.Printable(t.Parent))}
	}
	return nil
}

// checkHeader checks the fields of the outer headers.
func checkHeader(t Tunnel) fault.List {
	var problems fault.List
	if t.TTL != 0 && t.NoPMTUD && t.Link.IgnoreDF {
		problems.Add(fault.Invalid("ttl", "use --ttl inherit with --ignore-df, or leave --ttl out",
			"to ignore the DF bit, path MTU discovery must be off, and NetworkManager has no fixed TTL (%d) then", t.TTL))
	} else if t.TTL != 0 && t.NoPMTUD {
		problems.Add(fault.Invalid("ttl", "use --ttl inherit with --no-pmtud, or --no-pmtud=false",
			"a fixed TTL (%d) needs path MTU discovery", t.TTL))
	}
	if unknown := t.Flags &^ gre.AllFlags; unknown != 0 { // libnm's verify of the ip-tunnel setting
		problems.Add(fault.Invalid("flags", "the flags are "+strings.Join(gre.FlagNames(), ", "), "NetworkManager has no flags %s", unknown))
	}
	if t.Mode.IPv6Outer() {
		if t.FlowLabel > 0xfffff {
			problems.Add(fault.Invalid("flow-label", "a flow label has 20 bits: 0 to 1048575", "%d is too large", t.FlowLabel))
		}
		return problems
	}
	for field, set := range map[string]bool{"encap-limit": t.encapLimitText() != "", "flow-label": t.FlowLabel != 0, "flags": t.otherFlags() != 0} {
		if set {
			problems.Add(fault.Invalid(field, "leave it out, or use --mode ip6gre or ip6gretap", "only tunnels over IPv6 have it, and mode %s is over IPv4", t.Mode))
		}
	}
	slices.SortFunc(problems, func(a, b *fault.Error) int { return strings.Compare(a.Field, b.Field) })
	return problems
}

func checkMTU(t Tunnel) fault.List {
	if t.MTU == 0 {
		return nil
	}
	most := uint32(t.Encapsulation().MTU(0xffff)) //nolint:gosec // 65535 less a few headers
	if t.MTU < gre.MinMTU4 || t.MTU > most {
		return fault.List{fault.Invalid("mtu", fmt.Sprintf("use %d to %d bytes, or leave --mtu out and nmgre computes it", gre.MinMTU4, most), "%d is not possible", t.MTU)}
	}
	for _, p := range t.Addresses {
		if p.Addr().Is6() && t.MTU < gre.MinMTU6 {
			return fault.List{fault.Invalid("mtu", "IPv6 needs at least 1280 bytes (RFC 8200)", "%d is too small for the inner address %s", t.MTU, p)}
		}
	}
	return nil
}
