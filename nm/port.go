package nm

import (
	"net"

	"nmgre/routes/fault"
)

// checkLink checks the options of the link that no profile holds.
func checkLink(t Tunnel) fault.List {
	if !t.Mode.Known() {
		return nil
	}
	return t.Link.Problems(t.Mode, !t.NoPMTUD)
}

// checkPort checks the settings that only an Ethernet device has, and refuses those of IP, which
// NetworkManager takes for no port. The far end's inner address may follow from this end's.
func checkPort(t Tunnel) fault.List {
	var problems fault.List
	if t.MAC != "" {
		problems.Add(checkMAC(t))
	}
	if t.Controller == "" {
		return problems
	}
	if len(t.Controller) > maxProfileName || fault.Printable(t.Controller) != t.Controller {
		problems.Add(fault.Invalid("controller", controllerHint, "\"%.80s\" cannot be the name of an interface or a profile", fault.Printable(t.Controller)))
	}
	if t.Mode.Known() && !t.Mode.Ethernet() {
		problems.Add(fault.Invalid("controller", "use --mode gretap or ip6gretap, or leave --controller out",
			"mode %s carries IP packets: only a tunnel that carries Ethernet frames can be the port of a bridge", t.Mode))
	}
	for _, part := range []struct {
		flag, what, hint string
		has              bool
	}{
		{"address", "an inner address", "leave --address out, or give none, and give the bridge the address", len(t.Addresses) > 0},
		{"peer-address", "an inner address of the far end to probe", "leave --peer-address out, or give none: the bridge has the addresses", t.PeerAddress.IsValid() && len(t.Addresses) == 0},
		{"route", "routes", "leave --route out, and give the routes to the bridge", len(t.Routes) > 0},
		{"rule", "rules of the routing policy", "leave --rule out: the packets of a port are the bridge's", len(t.Rules) > 0},
		{"snat", "SNAT rules", "leave --snat out: the packets of a port are the bridge's", len(t.SNAT) > 0},
		{"forward", "forwarding", "leave --forward out: the bridge passes the frames on", t.Forward},
		{"clamp-mss", "an MSS clamp", "leave --clamp-mss out: the bridge passes the frames on as they are", t.ClampMSS},
	} {
		if part.has {
			problems.Add(fault.Invalid(part.flag, part.hint, "the port of a bridge has no IP of its own: it cannot have %s", part.what))
		}
	}
	return problems
}

const controllerHint = "give the bridge's interface, such as br0, or the name or UUID of its profile"
const maxProfileName = 255 // bytes; such a name may have blanks, as in "my bridge"

func checkMAC(t Tunnel) *fault.Error {
	if t.Mode.Known() && !t.Mode.Ethernet() {
		return fault.Invalid("mac", "leave --mac out, or use --mode gretap or ip6gretap", "mode %s carries IP packets, and its device has no Ethernet address", t.Mode)
	}
	_, err := ParseMAC(t.MAC)
	return err
}

// ParseMAC reads the Ethernet address of one device, and returns it in small letters with colons.
func ParseMAC(text string) (string, *fault.Error) {
	const hint = "use an address for one device, such as 02:00:5e:10:00:01"
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		return "", fault.Invalid("mac", hint, "\"%.80s\" is no Ethernet address", fault.Printable(text))
	case mac[0]&1 != 0:
		return "", fault.Invalid("mac", hint, "%s is the address of a group of devices", mac)
	case mac.String() == "00:00:00:00:00:00":
		return "", fault.Invalid("mac", hint, "%s is the address of no device", mac)
	}
	return mac.String(), nil
}
