package wire

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Bounds of what is read from a profile, which any local user may have written: far above what
// anybody needs.
const (
	maxAddresses = 10_000
	maxRoutes    = 200_000
	maxName      = 15 // IFNAMSIZ less its final zero
	maxParent    = 64
)

// Decode reads the tunnel that a profile holds. It fails for a profile that is no GRE tunnel, and
// for values that NetworkManager would not have let pass; its errors name the property as nmcli
// does, as in "ip-tunnel.remote".
//
// Defaults that NetworkManager leaves out are filled in: no local address is the unspecified one,
// no autoconnect is yes. While a profile is on trial, Autoconnect is what it will be when it is
// saved. The zero PeerAddress means that there is no note of it and that it does not follow from
// the addresses. Routes with what nmgre does not know are left out; [Encode] keeps them.
func Decode(s Settings) (nm.Tunnel, error) {
	d := &decoder{s: s}
	var t nm.Tunnel
	d.tunnel(&t)
	d.connection(&t)
	for _, family := range [...]string{SetIPv4, SetIPv6} {
		t.Addresses = append(t.Addresses, d.addresses(family)...)
		t.Routes = append(t.Routes, d.routes(family)...)
	}
	t.PeerAddress = d.peer(t.Addresses)
	t.Forward = read(d, SetIPv4, "forwarding", forwardingDefault) == forwardingYes
	if d.err != nil {
		return nm.Tunnel{}, d.err
	}
	return t, nil
}

// ModeOf returns the mode of a GRE profile, 0 for any other profile.
func ModeOf(s Settings) gre.Mode {
	if s.Text(SetConnection, "type") != typeTunnel {
		return 0
	}
	number, _ := s[SetTunnel]["mode"].Value().(uint32)
	return tunnelModes[number]
}

// decoder reads properties and remembers the first error, so that reading them is a list and not a
// ladder.
type decoder struct {
	s   Settings
	err error
}

func (d *decoder) fail(setting, property, format string, args ...any) {
	if d.err == nil {
		d.err = badSetting(setting+"."+property, fmt.Sprintf(format, args...))
	}
}

func badSetting(name, reason string) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: name + ": " + reason}
}

// read returns a property, or absent if it is not there.
func read[T any](d *decoder, setting, property string, absent T) T {
	v, ok := d.s[setting][property]
	if !ok {
		return absent
	}
	value, ok := v.Value().(T)
	if !ok {
		d.fail(setting, property, "has the type %q instead of %q", v.Signature(), dbus.SignatureOf(absent))
		return absent
	}
	return value
}

func (d *decoder) tunnel(t *nm.Tunnel) {
	t.Mode = ModeOf(d.s)
	if t.Mode == 0 {
		d.fail(SetTunnel, "mode", "is no GRE mode")
		return
	}
	t.Parent = d.name(SetTunnel, "parent", maxParent)
	t.Local, t.Remote = d.outer("local", t.Mode), d.outer("remote", t.Mode)
	t.TTL, t.TOS = d.byte("ttl"), d.byte("tos")
	t.NoPMTUD = !read(d, SetTunnel, "path-mtu-discovery", true)
	t.InputKey, t.OutputKey = d.key("input-key"), d.key("output-key")
	t.EncapLimit = d.byte("encapsulation-limit")
	t.FlowLabel = read(d, SetTunnel, "flow-label", uint32(0))
	if t.FlowLabel >= 1<<20 {
		d.fail(SetTunnel, "flow-label", "%d has more than 20 bits", t.FlowLabel)
	}
	t.Flags = gre.Flags(read(d, SetTunnel, "flags", uint32(0)))
	t.MTU = read(d, SetTunnel, "mtu", uint32(0))
}

func (d *decoder) connection(t *nm.Tunnel) {
	t.Name = d.name(SetConnection, "interface-name", maxName)
	t.Autoconnect = read(d, SetConnection, "autoconnect", true)
	if wanted, ok := TrialAutoconnect(d.s); ok {
		t.Autoconnect = wanted
	}
}

// name reads the name of a device: no spaces, no slashes, nothing that a terminal would act on.
func (d *decoder) name(setting, property string, limit int) string {
	name := read(d, setting, property, "")
	if len(name) > limit || strings.ContainsAny(name, "/ ") || fault.Printable(name) != name {
		d.fail(setting, property, "%s is no device name", Quote(name))
	}
	return name
}

// outer reads an outer address; the one that stands for "any" if it is not there.
func (d *decoder) outer(property string, mode gre.Mode) netip.Addr {
	unspecified := netip.IPv4Unspecified()
	if mode.IPv6Outer() {
		unspecified = netip.IPv6Unspecified()
	}
	text := read(d, SetTunnel, property, "")
	if text == "" {
		return unspecified
	}
	a, err := parseAddr(text, FamilyOf(unspecified))
	if err != nil {
		d.fail(SetTunnel, property, "%v", err)
	}
	return a
}

// byte reads a number that D-Bus has 32 bits for and the packet 8.
func (d *decoder) byte(property string) uint8 {
	n := read(d, SetTunnel, property, uint32(0))
	if n > 255 {
		d.fail(SetTunnel, property, "%d is above 255", n)
	}
	return uint8(n)
}

// key reads a key; an empty one is none.
func (d *decoder) key(property string) *gre.Key {
	text := strings.TrimSpace(read(d, SetTunnel, property, ""))
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		d.fail(SetTunnel, property, "%s is no decimal number of 32 bits", Quote(text))
		return nil
	}
	k := gre.Key(n)
	return &k
}

func (d *decoder) addresses(family string) []netip.Prefix {
	entries := d.entries(family, "address-data", maxAddresses)
	var addresses []netip.Prefix
	for _, entry := range entries {
		p, err := decodeAddress(entry, family)
		if err != nil {
			d.fail(family, "address-data", "%v", err)
			return nil
		}
		addresses = append(addresses, p)
	}
	return addresses
}

// entries reads a list of dictionaries.
func (d *decoder) entries(setting, property string, limit int) []map[string]dbus.Variant {
	entries := read(d, setting, property, []map[string]dbus.Variant(nil))
	if len(entries) > limit {
		d.fail(setting, property, "%d entries are more than %d", len(entries), limit)
		return nil
	}
	return entries
}

// peer reads the far end's inner address from the profile's user data, or derives it.
func (d *decoder) peer(addresses []netip.Prefix) netip.Addr {
	text := d.s.User(KeyPeer)
	if text == "" {
		return nm.DerivePeer(addresses)
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.String() != text {
		d.fail(setUser, "data."+KeyPeer, "%s is no IP address", Quote(text))
	}
	return a
}

// parseAddr reads an address of one family, without a zone.
func parseAddr(text, family string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || FamilyOf(a) != family {
		return netip.Addr{}, fmt.Errorf("%s is no %s address", Quote(text), map[string]string{SetIPv4: "IPv4", SetIPv6: "IPv6"}[family])
	}
	return a, nil
}

// decodeAddress reads an entry of address-data.
func decodeAddress(entry map[string]dbus.Variant, family string) (netip.Prefix, error) {
	return DecodePrefix(entry, "address", family)
}

// DecodePrefix reads an address and the length of its network.
func DecodePrefix(entry map[string]dbus.Variant, name, family string) (netip.Prefix, error) {
	text, _ := entry[name].Value().(string)
	a, err := parseAddr(text, family)
	if err != nil {
		return netip.Prefix{}, err
	}
	bits, ok := entry["prefix"].Value().(uint32)
	if !ok || bits > uint32(a.BitLen()) {
		return netip.Prefix{}, fmt.Errorf("%s has no prefix length of 0 to %d", a, a.BitLen())
	}
	return netip.PrefixFrom(a, int(bits)), nil
}
