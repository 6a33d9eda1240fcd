package linux

import (
	"strings"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// keyfileInput is profiles while they are read.
type keyfileInput struct {
	r       *notation.Reading
	entries []iniEntry // of the profile that is read
}

// readKeyfile reads the profiles of keyfiles, one behind another.
func readKeyfile(r *notation.Reading) {
	in := &keyfileInput{r: r}
	eachIni(r, func(e iniEntry) {
		if e.opens && e.section == "connection" || len(in.entries) > 0 && r.Lines[e.i].File != r.Lines[in.entries[0].i].File {
			in.profile()
		}
		in.entries = append(in.entries, e)
	})
	in.profile()
}

func (in *keyfileInput) get(section, name string) string {
	for _, e := range in.entries {
		if e.section == section && e.name == name {
			return e.value
		}
	}
	return ""
}

// profile makes the tunnel of the entries that were read.
func (in *keyfileInput) profile() {
	entries := in.entries
	if len(entries) == 0 {
		return
	}
	defer func() { in.entries = nil }()
	r := in.r
	name := in.get("connection", "interface-name")
	if name == "" {
		name = in.get("connection", "id")
	}
	mode, err := gre.ParseMode(profileMode(in.get("ip-tunnel", "mode")))
	if t := in.get("connection", "type"); t != "ip-tunnel" || err != nil {
		for _, e := range entries {
			r.Skip(e.i, "the profile is no GRE tunnel")
		}
		return
	}
	if !routes.IsDevice(name) {
		r.Refuse(entries[0].i, "interface-name %s cannot be a device's name", notation.Word(name))
		return
	}
	f, fresh := r.Add(name, entries[0].i)
	if !fresh {
		if f.Remote.String() != in.get("ip-tunnel", "local") || f.Local.String() != in.get("ip-tunnel", "remote") {
			r.Refuse(entries[0].i, "%s is in line %d already", notation.Word(name), r.Lines[f.At].N)
			return
		}
		f = r.Again(name, entries[0].i)
	}
	f.Mode, f.Up, f.TTL, f.TTLSet = mode, true, 0, in.get("ip-tunnel", "ttl") != ""
	if !f.TTLSet {
		f.TTL = gre.DefaultTTL
	}
	for _, e := range entries {
		in.entry(f, e)
	}
	if !f.Remote.IsValid() {
		f.Refuse = "remote: the profile has no far end"
		r.Refuse(entries[0].i, "%s", f.Refuse)
	}
}

// entry reads one line of a profile.
func (in *keyfileInput) entry(f *notation.Found, e iniEntry) {
	r := in.r
	r.Take(e.i)
	switch {
	case e.opens:
	case e.section == "connection":
		in.connection(f, e)
	case e.section == "ip-tunnel" && e.name == "mode":
	case e.section == "ip-tunnel":
		profileTunnel(r, e.i, f, e.name, e.value)
	case e.section == "ipv4" || e.section == "ipv6":
		in.family(f, e)
	case e.section == "user" && strings.HasPrefix(e.name, "nmgre."):
		r.Skip(e.i, "nmgre writes it by itself")
	case (e.section == "ethernet" || e.section == "802-3-ethernet") && e.name == "cloned-mac-address":
		r.SetMAC(e.i, f, e.value)
	case e.section == "ethernet" && e.name == "mtu":
		r.Refuse(e.i, "NetworkManager does not use the mtu of [ethernet] for a tunnel: it is that of [ip-tunnel]")
	default:
		r.Skip(e.i, "[%s] is no part of a tunnel", e.section)
	}
}

func (in *keyfileInput) connection(f *notation.Found, e iniEntry) {
	switch e.name {
	case "id", "type", "interface-name":
	case "uuid":
		in.r.Skip(e.i, "a new profile has a new UUID")
	case "master", "controller":
		in.r.SetPort(e.i, f, e.value)
	case "slave-type", "port-type":
		profilePort(in.r, e.i, f, e.value)
	case "zone":
		f.Zone = e.value
	case "autoconnect":
		f.Autoconnect = e.value != "false" && e.value != "0" && e.value != "no"
	default:
		in.r.Skip(e.i, "nmgre leaves connection.%s as NetworkManager has it", e.name)
	}
}

// family reads a line of [ipv4] or [ipv6].
func (in *keyfileInput) family(f *notation.Found, e iniEntry) {
	r := in.r
	switch number := strings.TrimLeft(e.name, "abcdefghijklmnopqrstuvwxyz"); {
	case e.name == "method":
		if e.value != "manual" && e.value != "disabled" && e.value != "ignore" && e.value != "link-local" {
			r.Refuse(e.i, "nmgre's tunnels have static addresses (method=manual)")
		}
	case strings.HasPrefix(e.name, "address") && isNumber(number):
		address, gateway, _ := strings.Cut(e.value, ",")
		iproute.Inner(r, e.i, f, address, "")
		if gateway != "" {
			profileRoute(r, e.i, f, []string{defaultOf(e.section), gateway})
		}
	case strings.HasPrefix(e.name, "routing-rule"):
		profileRule(r, e.i, f, e.value, e.section == "ipv6")
	case strings.HasPrefix(e.name, "route") && strings.HasSuffix(e.name, "_options"):
	case strings.HasPrefix(e.name, "route") && isNumber(number):
		words := strings.Split(e.value, ",")
		options := in.get(e.section, e.name+"_options")
		profileRoute(r, e.i, f, append(words, splitList(options)...))
	case e.name == "gateway":
		profileRoute(r, e.i, f, []string{defaultOf(e.section), e.value})
	case e.name == "addr-gen-mode" || e.name == "may-fail" || e.name == "never-default" || strings.HasPrefix(e.name, "dns") || e.name == "ignore-auto-dns" || e.name == "ip6-privacy":
		r.Skip(e.i, "%s is no part of a tunnel", e.name)
	case e.name == "forwarding":
		f.Forward = e.value == "1" || e.value == "yes"
	default:
		r.Refuse(e.i, "%s is not read", notation.Word(e.section+"."+e.name))
	}
}
