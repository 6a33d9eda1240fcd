package gre

import (
	"slices"
	"strings"

	"nmgre/routes/fault"
)

// LinkOptions are settings of a tunnel's link that NetworkManager cannot hold. Somebody with root's
// rights sets them on the link after NetworkManager has made it.
type LinkOptions struct {
	// Multicast sets the device's flag MULTICAST, without which some routing daemons do not use the
	// device. The Ethernet modes have it anyway.
	Multicast bool
	// IgnoreDF ignores the DF bit of inner IPv4 packets: a packet that is too large for the way
	// goes out in fragments. It is of the IPv4 modes, and needs path MTU discovery off.
	IgnoreDF bool
	Checksum bool // GRE checksums in both directions (RFC 2784)
	Sequence bool // GRE sequence numbers in both directions (RFC 2890)
}

// option is one of the options by its name, which is that of the flag of `nmgre create`.
type option struct {
	name string
	of   func(*LinkOptions) *bool
}

// options are all options, in the order in which they are written.
var options = [...]option{
	{"multicast", func(o *LinkOptions) *bool { return &o.Multicast }},
	{"ignore-df", func(o *LinkOptions) *bool { return &o.IgnoreDF }},
	{"checksum", func(o *LinkOptions) *bool { return &o.Checksum }},
	{"sequence", func(o *LinkOptions) *bool { return &o.Sequence }},
}

// LinkOptionNames returns the names of all options, which are those of the flags of `nmgre create`.
func LinkOptionNames() []string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return names
}

// Names returns the names of the options that are on.
func (o LinkOptions) Names() []string {
	var names []string
	for _, known := range options {
		if *known.of(&o) {
			names = append(names, known.name)
		}
	}
	return names
}

// Any reports whether an option is on.
func (o LinkOptions) Any() bool { return o != LinkOptions{} }

// String returns the names of the options that are on, with spaces between them.
func (o LinkOptions) String() string { return strings.Join(o.Names(), " ") }

// Option returns the option of that name, to be read or set, or nil if there is none.
func (o *LinkOptions) Option(name string) *bool {
	for _, known := range options {
		if known.name == name {
			return known.of(o)
		}
	}
	return nil
}

// Without returns the options of o that are off in other.
func (o LinkOptions) Without(other LinkOptions) LinkOptions {
	for _, name := range other.Names() {
		*o.Option(name) = false
	}
	return o
}

// With returns the options that are on in o or in other.
func (o LinkOptions) With(other LinkOptions) LinkOptions {
	for _, name := range other.Names() {
		*o.Option(name) = true
	}
	return o
}

// ParseLinkOptions reads the texts of [LinkOptions.String]. It fails with [fault.ErrInvalid] for
// another word, for a word that stands twice, and for none.
func ParseLinkOptions(text string) (LinkOptions, error) {
	const hint = "write one or more of: "
	var all LinkOptions
	words := strings.Fields(text)
	if len(words) == 0 {
		return all, fault.Invalid("link", hint+strings.Join(LinkOptionNames(), ", "), "it has no option")
	}
	for i, word := range words {
		of := all.Option(word)
		if of == nil {
			return LinkOptions{}, fault.Invalid("link", hint+strings.Join(LinkOptionNames(), ", "), "\"%.40s\" is no option of a link", fault.Printable(word))
		}
		if slices.Contains(words[:i], word) {
			return LinkOptions{}, fault.Invalid("link", "write each once", "%s stands twice", word)
		}
		*of = true
	}
	return all, nil
}

// Problems returns the reasons why a tunnel of that mode cannot have the options: pmtud says
// whether the tunnel discovers the path MTU. Their fields are flags of `nmgre create`.
func (o LinkOptions) Problems(m Mode, pmtud bool) fault.List {
	var problems fault.List
	if o.Multicast && m.Ethernet() {
		problems.Add(fault.Invalid("multicast", "leave --multicast out", "a tunnel of the mode %s has the flag by itself, as every Ethernet device", m))
	}
	if o.IgnoreDF && m.IPv6Outer() {
		problems.Add(fault.Invalid("ignore-df", "leave --ignore-df out, or use --mode gre or gretap", "only tunnels over IPv4 can ignore the DF bit, and mode %s is over IPv6", m))
	} else if o.IgnoreDF && pmtud {
		problems.Add(fault.Invalid("ignore-df", "add --no-pmtud and --ttl inherit, which it needs", "the kernel ignores the DF bit only without path MTU discovery"))
	}
	return problems
}
