package wire

import (
	"nmgre/nm"
	"nmgre/routes/gre"
)

// wired is the setting that has the Ethernet address of a tunnel's device.
const wired = "802-3-ethernet"

// typeBridge is the kind of a controller, and of a profile, that is a bridge.
const typeBridge = "bridge"

// controllerNames are the properties that name the controller, and the kind of it. The first two
// are the only ones of NetworkManager before 1.46. Later ones take them as the names of old, and
// have the others beside them.
var controllerNames, portTypeNames = [...]string{"master", "controller"}, [...]string{"slave-type", "port-type"}

// IsBridge reports whether the profile is that of a bridge.
func (s Settings) IsBridge() bool { return s.Text(Connection, "type") == typeBridge }

// portOf returns the bridge whose port the profile is, or the empty string. Other controllers, such
// as a bond, do not count.
func (s Settings) portOf() string {
	kind, controller := "", ""
	for i := range controllerNames {
		if text := s.Text(Connection, portTypeNames[i]); text != "" {
			kind = text
		}
		if text := s.Text(Connection, controllerNames[i]); text != "" {
			controller = text
		}
	}
	if kind != typeBridge {
		return ""
	}
	return controller
}

// encodePort makes the profile a port of t's bridge, or no longer one. NetworkManager refuses a
// port with settings of IP. The names of later versions are written where the profile has them
// already.
func encodePort(s Settings, t nm.Tunnel) {
	was := s.portOf()
	if t.Controller == "" {
		if was == "" {
			return
		}
		for i := range controllerNames {
			delete(s[Connection], controllerNames[i])
			delete(s[Connection], portTypeNames[i])
		}
		delete(s, "bridge-port")
		return
	}
	for i := range controllerNames {
		_, has := s[Connection][controllerNames[i]]
		if i == 0 || has {
			s.Set(Connection, controllerNames[i], t.Controller)
			s.Set(Connection, portTypeNames[i], typeBridge)
		}
	}
	delete(s, IPv4)
	delete(s, IPv6)
}

// The two forms of a device's Ethernet address in a profile. NetworkManager tells both, and prefers
// the first: the second is an array of bytes, and cannot hold a word such as "random".
const (
	assignedMAC = "assigned-mac-address"
	clonedMAC   = "cloned-mac-address"
)

// mac returns the Ethernet address that the profile gives to the device, in small letters with
// colons. It is empty where there is none, or a word such as "stable".
func (s Settings) mac() string {
	text := s.Text(wired, assignedMAC)
	if text == "" { // as in most profiles, whose reading is to be quick
		return ""
	}
	if text, err := nm.ParseMAC(text); err == nil {
		return text
	}
	return ""
}

// encodeMAC writes the Ethernet address into settings that still have their old mode. A word that
// somebody chose stays until there is another address.
func encodeMAC(s Settings, t nm.Tunnel) {
	if s.mac() == t.MAC || !s.Mode().Ethernet() && !t.Mode.Ethernet() {
		return
	}
	delete(s[wired], clonedMAC)
	if t.MAC != "" {
		s.Set(wired, assignedMAC, t.MAC)
		return
	}
	delete(s[wired], assignedMAC)
	if len(s[wired]) == 0 {
		delete(s, wired)
	}
}

// addrGenStable is NMSettingIP6ConfigAddrGenMode's stable-privacy (RFC 7217).
const addrGenStable int32 = 1

// addrGenMode is the property of the ipv6 setting.
const addrGenMode = "addr-gen-mode"

// WantsAddrGenMode reports whether the profile is that of a tunnel of the mode ip6gre with IPv6
// addresses, and leaves the address generation mode to the host's default.
func (s Settings) WantsAddrGenMode() bool {
	_, has := s[IPv6][addrGenMode]
	return s.Mode() == gre.ModeIP6GRE && !has && len(s.Entries(IPv6, "address-data")) > 0
}

// SetAddrGenMode gives the profile the address generation mode stable-privacy.
func (s Settings) SetAddrGenMode() { s.Set(IPv6, addrGenMode, addrGenStable) }
