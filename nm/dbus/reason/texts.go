package reason

import (
	"strings"
	"sync"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
)

// foreignBridge tells that a port needs a bridge with a profile.
const foreignBridge = "NetworkManager brings up ports only of a bridge that it runs itself; give the bridge a profile: " +
	"nmcli connection add type bridge con-name BRIDGE ifname BRIDGE && nmcli connection up BRIDGE"

// textHints are hints for texts of NetworkManager that say little.
var textHints = []struct{ text, hint string }{
	{"Operation not supported", "this kernel lacks such tunnels; load the module ip_gre, or ip6_gre for the IPv6 modes: modprobe ip_gre"},
	{"File exists", "the kernel has a tunnel with the same local, remote and key already, or a device of that name: ip -d link"},
	{"already exists", "choose another name, or delete the device that has it: ip -d link"},
	{"Parent device", "the parent device must exist and be up before the tunnel: ip link"},
	{"parent device", "the parent device must exist and be up before the tunnel: ip link"},
	{"Master device", foreignBridge},     // before 1.52
	{"Controller device", foreignBridge}, // of whatever kind, but nmgre makes ports of bridges only
	{"unmanaged", "NetworkManager was told to leave this device alone: look for unmanaged-devices in its configuration: NetworkManager --print-config"},
	{"compatible device", "the parent device is not there, or a device of another kind has the tunnel's name: ip -d link; nmcli connection show"},
	{"not available on device", "another profile, or a device made by hand, has the name: ip -d link; nmcli connection show"},
}

// HintFor returns the hint for a text of NetworkManager's that says little, or the empty string.
func HintFor(text string) string {
	for _, h := range textHints {
		if strings.Contains(text, h.text) {
			return h.hint
		}
	}
	return ""
}

// flags are the flags of nmgre, without dashes, for NetworkManager's properties.
var flags = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"connection.id":                  "name",
		"connection.interface-name":      "name",
		"connection.autoconnect":         "autoconnect",
		"connection.zone":                "zone",
		"user.data." + nm.KeyPeerName:    "peer",
		"user.data." + nm.KeyFollow:      "follow",
		"user.data." + nm.KeyNoProbe:     "no-probe",
		"ip-tunnel.mode":                 "mode",
		"ip-tunnel.parent":               "parent",
		"ip-tunnel.local":                "local",
		"ip-tunnel.remote":               "peer",
		"ip-tunnel.ttl":                  "ttl",
		"ip-tunnel.tos":                  "tos",
		"ip-tunnel.path-mtu-discovery":   "no-pmtud",
		"ip-tunnel.input-key":            "input-key",
		"ip-tunnel.output-key":           "output-key",
		"ip-tunnel.encapsulation-limit":  "encap-limit",
		"ip-tunnel.flow-label":           "flow-label",
		"ip-tunnel.flags":                "flags",
		"ip-tunnel.mtu":                  "mtu",
		"ipv4.addresses":                 "address",
		"ipv4.address-data":              "address",
		"ipv4.method":                    "address",
		"ipv4.routes":                    "route",
		"ipv4.route-data":                "route",
		"ipv4.forwarding":                "forward",
		"ipv6.addresses":                 "address",
		"ipv6.address-data":              "address",
		"ipv6.method":                    "address",
		"ipv6.routes":                    "route",
		"ipv6.route-data":                "route",
		"user.data." + wire.KeyPeer:      "peer-address",
		"user.data." + wire.KeyMorePeers: "peer-address",
	}
})

// Flag returns the flag of nmgre, without dashes, for a property such as "ip-tunnel.remote". It is
// empty for a property that no flag sets.
func Flag(property string) string { return flags()[property] }
