package wire

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// Bounds for reading a profile, which any local user may have written. They are far above any need.
const (
	maxAddresses = 10_000
	maxRoutes    = 200_000
	maxName      = 15 // bytes: IFNAMSIZ less its final zero
	maxParent    = 64 // bytes: it can be a UUID too
)

// Decode reads the tunnel that a profile holds. It fails with [fault.ErrInvalid] for a profile that
// is not a GRE tunnel, and for values that NetworkManager would not have let pass. Its errors name
// the property as nmcli does, as in "ip-tunnel.remote".
//
// Defaults that NetworkManager leaves out are filled in: without a local address Local is the
// unspecified one, without autoconnect Autoconnect is true. For a profile on trial Autoconnect is
// the one that it gets when it is saved. PeerAddress is zero if it is neither noted in the profile
// nor follows from the addresses. MorePeers has no addresses without it. Routes with a type or an
// attribute that nmgre does not know are left out; [Encode] keeps them.
func Decode(s Settings) (nm.Tunnel, error) {
	d := &decoder{s: s}
	var t nm.Tunnel
	d.tunnel(&t)
	d.connection(&t)
	for _, family := range [...]string{IPv4, IPv6} {
		t.Addresses = append(t.Addresses, d.addresses(family)...)
		t.Routes = append(t.Routes, d.routes(family)...)
		t.Rules = append(t.Rules, d.rules(family)...)
	}
	d.peers(&t)
	d.ends(&t)
	t.Forward = read(d, IPv4, "forwarding", forwardingDefault) == forwardingYes
	if d.err != nil {
		return nm.Tunnel{}, d.err
	}
	return t, nil
}

// decoder reads properties and remembers the first error. So its callers need not look at an error
// after each property.
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

// read returns a property, or absent if it is not there. A value of another type is an error.
func read[T any](d *decoder, setting, property string, absent T) T {
	v, ok := d.s[setting][property]
	if !ok {
		return absent
	}
	value, ok := v.Value().(T)
	if !ok {
		d.fail(setting, property, "its type is %q instead of %q", v.Signature(), dbus.SignatureOf(absent))
		return absent
	}
	return value
}

func (d *decoder) tunnel(t *nm.Tunnel) {
	t.Mode = d.s.Mode()
	if t.Mode == 0 {
		d.fail(IPTunnel, "mode", "not a GRE mode")
		return
	}
	t.Parent = d.name(IPTunnel, "parent", maxParent)
	t.Local, t.Remote = d.outer("local", t.Mode), d.outer("remote", t.Mode)
	t.TTL, t.TOS = d.byte("ttl"), d.byte("tos")
	t.NoPMTUD = !read(d, IPTunnel, "path-mtu-discovery", true)
	t.InputKey, t.OutputKey = d.key("input-key"), d.key("output-key")
	t.EncapLimit = d.byte("encapsulation-limit")
	t.FlowLabel = read(d, IPTunnel, "flow-label", uint32(0))
	if t.FlowLabel >= 1<<20 {
		d.fail(IPTunnel, "flow-label", "%d has more than 20 bits", t.FlowLabel)
	}
	t.Flags = gre.Flags(read(d, IPTunnel, "flags", uint32(0)))
	t.MTU = read(d, IPTunnel, "mtu", uint32(0))
	if t.MAC = d.s.mac(); !t.Mode.Ethernet() {
		t.MAC = "" // NetworkManager refuses it
		return
	}
	if t.Controller = d.s.portOf(); t.Controller != "" && !keep.IsUUID(t.Controller) && !routes.IsDevice(t.Controller) {
		d.fail(Connection, controllerNames[0], "%s is neither a device's name nor a UUID", Quote(t.Controller))
	}
}

func (d *decoder) connection(t *nm.Tunnel) {
	t.Name = d.name(Connection, "interface-name", maxName)
	t.Autoconnect = read(d, Connection, "autoconnect", true)
	t.Zone = d.zone()
	if wanted, ok := d.s.trialAutoconnect(); ok {
		t.Autoconnect = wanted
	}
}

// maxForeignZone bounds the name of a zone that somebody else has written.
const maxForeignZone = 64

// zone reads the zone of the firewall. One that firewalld could not have stays in the profile.
func (d *decoder) zone() string {
	zone := read(d, Connection, "zone", "")
	if len(zone) > maxForeignZone || fault.Printable(zone) != zone {
		d.fail(Connection, "zone", "%s is not the name of a zone", Quote(zone))
	}
	return zone
}

// name reads the name of a device. It may hold no spaces, no slashes and nothing that a terminal
// would act on.
func (d *decoder) name(setting, property string, limit int) string {
	name := read(d, setting, property, "")
	if len(name) > limit || strings.ContainsAny(name, "/ ") || fault.Printable(name) != name {
		d.fail(setting, property, "%s is not a device name", Quote(name))
	}
	return name
}

// outer reads an outer address. An absent one is the unspecified one, which means any.
func (d *decoder) outer(property string, mode gre.Mode) netip.Addr {
	unspecified := netip.IPv4Unspecified()
	if mode.IPv6Outer() {
		unspecified = netip.IPv6Unspecified()
	}
	text := read(d, IPTunnel, property, "")
	if text == "" {
		return unspecified
	}
	a, err := parseAddr(text, familyOf(unspecified))
	if err != nil {
		d.fail(IPTunnel, property, "%v", err)
	}
	return a
}

// byte reads a number that has 32 bits on D-Bus and 8 in the packet.
func (d *decoder) byte(property string) uint8 {
	n := read(d, IPTunnel, property, uint32(0))
	if n > 255 {
		d.fail(IPTunnel, property, "%d is above 255", n)
	}
	return uint8(n)
}

// key reads a key, nil if the property is absent or empty.
func (d *decoder) key(property string) *gre.Key {
	text := strings.TrimSpace(read(d, IPTunnel, property, ""))
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		d.fail(IPTunnel, property, "%s is not a decimal number of at most 32 bits", Quote(text))
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

// entries reads a list of at most limit dictionaries.
func (d *decoder) entries(setting, property string, limit int) []map[string]dbus.Variant {
	entries := read(d, setting, property, []map[string]dbus.Variant(nil))
	if len(entries) > limit {
		d.fail(setting, property, "%d entries are more than the %d allowed", len(entries), limit)
		return nil
	}
	return entries
}

// peers reads the far end's inner addresses from the profile's user data, or derives one from this
// end's addresses.
func (d *decoder) peers(t *nm.Tunnel) {
	if text := d.s.user(KeyPeer); text != "" {
		t.PeerAddress = d.peer(KeyPeer, text)
	} else {
		t.PeerAddress = nm.DerivePeer(t.Addresses)
	}
	more := strings.Fields(d.s.user(KeyMorePeers))
	if !t.PeerAddress.IsValid() || len(more) == 0 {
		return
	}
	if len(more) >= nm.MaxPeers {
		d.fail(userData, "data."+KeyMorePeers, "%d addresses are more than the %d allowed", len(more)+1, nm.MaxPeers)
		return
	}
	for _, text := range more {
		t.MorePeers = append(t.MorePeers, d.peer(KeyMorePeers, text))
	}
}

// ends reads the notes about the ends in the user data. Any local user may have written them.
func (d *decoder) ends(t *nm.Tunnel) {
	if t.PeerName = d.s.user(nm.KeyPeerName); t.PeerName != "" && !nm.IsHostName(t.PeerName) {
		d.fail(userData, "data."+nm.KeyPeerName, "%s is not the name of a host", Quote(t.PeerName))
	}
	t.Follow = d.s.user(nm.KeyFollow) == nm.Yes && t.PeerName != ""
	t.NoProbe = d.s.user(nm.KeyNoProbe) == nm.Yes
	t.Document = fault.Printable(d.s.user(nm.KeyDocument))
	if leader := d.s.user(nm.KeyLeader); keep.IsUUID(strings.TrimPrefix(leader, "-")) {
		t.Leader = leader
	}
	t.Doomed = d.s.user(nm.KeyDoomed) == nm.Yes
}

// peer reads an inner address of the far end.
func (d *decoder) peer(key, text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.String() != text {
		d.fail(userData, "data."+key, "%s is not an IP address", Quote(text))
	}
	return a
}

// familyNames are the names of the families for people.
var familyNames = map[string]string{IPv4: "IPv4", IPv6: "IPv6"}

// parseAddr reads an address of one family, without a zone.
func parseAddr(text, family string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || familyOf(a) != family {
		return netip.Addr{}, fmt.Errorf("%s is not an %s address", Quote(text), familyNames[family])
	}
	return a, nil
}

// decodeAddress reads an entry of address-data.
func decodeAddress(entry map[string]dbus.Variant, family string) (netip.Prefix, error) {
	return decodePrefix(entry, "address", family)
}

// decodePrefix reads an address, which has the name given, and its prefix length.
func decodePrefix(entry map[string]dbus.Variant, name, family string) (netip.Prefix, error) {
	text, _ := entry[name].Value().(string)
	a, err := parseAddr(text, family)
	if err != nil {
		return netip.Prefix{}, err
	}
	bits, ok := entry["prefix"].Value().(uint32)
	if !ok || bits > uint32(a.BitLen()) {
		return netip.Prefix{}, fmt.Errorf("%s lacks a prefix length of 0 to %d", a, a.BitLen())
	}
	return netip.PrefixFrom(a, int(bits)), nil
}
