// Package every lists the notations of all rooms. It is pure.
package every

import (
	"slices"
	"strings"
	"sync"

	"nmgre/nm/notation"
	"nmgre/nm/notation/linux"
	"nmgre/nm/notation/netplan"
	"nmgre/nm/notation/own"
	"nmgre/nm/notation/router"
	"nmgre/routes/fault"
)

// Kinds returns all notations: those of Linux first, then those of routers and other systems.
func Kinds() []*notation.Kind {
	return slices.Concat([]*notation.Kind{&own.NMGRE}, linux.Kinds[:4], []*notation.Kind{&netplan.Kind}, linux.Kinds[4:], router.Kinds)
}

// Names returns the words for --as, or those for --from if read is set.
func Names(read bool) []string {
	var names []string
	for _, k := range Kinds() {
		if !read || k.Read != nil {
			names = append(names, k.Name)
		}
	}
	return names
}

// Find returns the notation with that name. The field is the flag that it was given by. It fails
// with [fault.ErrInvalid].
func Find(field, name string) (*notation.Kind, error) {
	read := field == "from"
	for _, k := range Kinds() {
		if k.Name == name && (!read || k.Read != nil) {
			return k, nil
		}
	}
	what := "there is no notation"
	if slices.Contains(Names(false), name) {
		what = "nmgre writes this notation, but does not read it:"
	}
	return nil, fault.Invalid(field, fault.Choice(name, "notations", Names(read), meant()), "%s \"%.40s\"", what, fault.Printable(name))
}

// meant has the notations by other names of their programs and systems.
var meant = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"iproute2": "ip", "iproute": "ip", "networkmanager": "keyfile", "nm": "nmcli", "nmconnection": "keyfile", "systemd": "networkd", "systemd-networkd": "networkd", "sysconfig": "ifcfg",
		"network-scripts": "ifcfg", "rhel": "ifcfg", "centos": "ifcfg", "ubuntu": "netplan", "debian": "ifupdown", "interfaces": "ifupdown", "ifup": "ifupdown", "alpine": "ifupdown-ng",
		"cumulus": "ifupdown2", "suse": "wicked", "cisco": "cisco-ios", "ios": "cisco-ios", "ios-xe": "cisco-ios", "ios-xr": "cisco-iosxr", "iosxr": "cisco-iosxr", "juniper": "junos", "srx": "junos",
		"mikrotik": "routeros", "vyatta": "vyos", "edgeos": "vyos", "fortinet": "fortios", "fortigate": "fortios", "huawei": "vrp", "h3c": "comware", "hpe": "comware", "uci": "openwrt",
	}
})

// Ends are the words for --end.
var Ends = []string{"far", "near"}

// Write writes one end of a link in the notation with that name. It fails with [fault.ErrInvalid]
// for the fields "as" and "end", and for those that the notation cannot hold.
func Write(l notation.Link, name, end string) (string, error) {
	kind, err := Find("as", name)
	if err != nil {
		return "", err
	}
	switch end {
	case "near":
		if l.Near.Remote.IsUnspecified() {
			return "", fault.Invalid("peer", "give it a far end first: nmgre edit "+fault.Operand(l.Near.Name)+" --peer ADDR", "the tunnel has no far end")
		}
		return kind.Text(l)
	case "far":
		return kind.Text(l.Swap())
	}
	return "", CheckEnd(end)
}

// CheckEnd refuses a word that is none of [Ends], with [fault.ErrInvalid].
func CheckEnd(end string) error {
	if slices.Contains(Ends, end) {
		return nil
	}
	return fault.Invalid("end", fault.Choice(end, "ends", Ends, map[string]string{"local": "near", "this": "near", "remote": "far", "peer": "far", "other": "far"}), "\"%.40s\" is no end", fault.Printable(end))
}

// tableWidth is how many columns a line of [Table] has at most.
const tableWidth = 98

// Table lists the notations for a person: the name, whether it is read, and the fields that it
// cannot hold. The lines are those of a list in Markdown.
func Table() string {
	var b strings.Builder
	for _, k := range Kinds() {
		text := "- " + k.Name
		if !strings.EqualFold(k.Title, k.Name) {
			text += " (" + k.Title + ")"
		}
		lacks := k.Holds.Lacks()
		switch {
		case len(lacks) == 0:
			text += " can hold everything"
		default:
			text += " cannot hold: " + strings.Join(lacks, ", ")
		}
		if k.Read == nil {
			text += "; it is written only"
		}
		wrap(&b, text)
	}
	return b.String()
}

// wrap writes an entry of a list, with its further lines set in.
func wrap(b *strings.Builder, text string) {
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > tableWidth:
			b.WriteString("\n ")
			column = 1
			fallthrough
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}
