package iproute

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre/nm/notation"
	"nmgre/routes"
)

// current returns the tunnel that a line about a device is for, or nil if there is none.
func (s *Script) current(dev string) *notation.Found {
	f := s.Tunnel(dev)
	if _, refused := s.refused[dev]; f == nil || refused {
		return nil
	}
	return f
}

// linkSet reads `ip link set`.
func (s *Script) linkSet(i int, words []string) {
	name, rest := "", []string(nil)
	for at := 0; at < len(words); at++ {
		switch {
		case words[at] == "dev" && at+1 < len(words):
			name, at = words[at+1], at+1
		case name == "" && len(rest) == 0 && words[at] != "up" && words[at] != "down":
			name = words[at]
		default:
			rest = append(rest, words[at])
		}
	}
	f := s.current(name)
	if f == nil {
		s.about(i, name)
		return
	}
	for len(rest) > 0 {
		rest = s.linkSetting(i, f, rest)
	}
}

// linkSetting reads one setting of a link, and returns the others.
func (s *Script) linkSetting(i int, f *notation.Found, words []string) []string {
	value := ""
	if len(words) > 1 {
		value = words[1]
	}
	behind := words[min(2, len(words)):]
	switch words[0] {
	case "up":
		f.Up = true
		s.Take(i)
		return words[1:]
	case "down":
		f.Up = false
		s.Skip(i, "nmgre brings the tunnel up")
		return words[1:]
	case "mtu":
		s.mtu(i, f, value)
	case "name":
		s.rename(i, f, value)
	case "type":
		m := &made{t: f.Tunnel.Clone(), ttlSet: f.TTLSet, mode: value, name: f.Name}
		for rest := behind; len(rest) > 0; {
			full := short(rest[0], linkWords...)
			if full == "" {
				m.wrong("%s is not known to ip link set type %s", notation.Word(rest[0]), value)
				break
			}
			rest = m.option(full, rest)
		}
		s.keep(i, m, true, false)
		return nil
	case "address":
		s.Take(i)
		s.SetMAC(i, f, value)
	case "master":
		s.Take(i)
		s.SetPort(i, f, value)
	case "nomaster":
		s.Take(i)
		s.SetPort(i, f, "")
		return words[1:]
	case "multicast":
		s.multicast(i, f, value)
	case "allmulticast", "arp", "promisc", "txqueuelen", "qlen", "alias", "group":
		s.Refuse(i, "a profile cannot hold %s", notation.Word(words[0]))
	default:
		s.Refuse(i, "%s is not read", notation.Word(words[0]))
	}
	return behind
}

// multicast reads the device's flag, which Ethernet devices have by themselves.
func (s *Script) multicast(i int, f *notation.Found, value string) {
	switch {
	case value != "on" && value != "off":
		s.Refuse(i, "multicast %s is neither on nor off", notation.Word(value))
		return
	case !f.Mode.Ethernet():
		f.Link.Multicast = value == "on"
	case value == "off":
		s.Refuse(i, "nmgre takes the flag MULTICAST from no Ethernet device")
		return
	}
	s.Take(i)
}

// device sets the Ethernet address and the bridge of a device that a line makes.
func (s *Script) device(i int, f *notation.Found, m *made) {
	if m.mac != "" {
		s.SetMAC(i, f, m.mac)
	}
	if m.port != "" {
		s.SetPort(i, f, m.port)
	}
}

func (s *Script) rename(i int, f *notation.Found, name string) {
	if !routes.IsDevice(name) || s.Tunnel(name) != nil {
		s.Refuse(i, "%s cannot be the tunnel's name", notation.Word(name))
		return
	}
	s.Rename(f, name)
	s.Take(i)
}

func (s *Script) mtu(i int, f *notation.Found, value string) {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || n < 68 {
		s.Refuse(i, "mtu %s is not a number from 68 to 65535", notation.Word(value))
		return
	}
	f.MTU = uint32(n)
	s.Take(i)
}

// address reads `ip address`.
func (s *Script) address(i int, words []string) {
	if len(words) == 0 {
		s.Skip(i, "it makes nothing")
		return
	}
	switch short(words[0], "add", "change", "chg", "replace", "delete", "show", "list", "lst", "flush", "save", "restore", "help") {
	case "add", "change", "chg", "replace":
		s.addressAdd(i, words[1:])
	case "":
		s.Refuse(i, "ip address has no %s", notation.Word(words[0]))
	default:
		s.Skip(i, "it adds no address")
	}
}

// addressWords are the words of `ip address add` with a value, and flags those without one.
var (
	addressWords = []string{"local", "peer", "remote", "broadcast", "brd", "anycast", "scope", "dev", "label", "metric", "valid_lft", "preferred_lft", "proto"}
	addressFlags = []string{"home", "mngtmpaddr", "nodad", "optimistic", "noprefixroute", "autojoin"}
)

func (s *Script) addressAdd(i int, words []string) {
	values := map[string]string{}
	for len(words) > 0 {
		word := words[0]
		if slices.Contains(addressFlags, word) {
			words = words[1:]
			continue
		}
		full := short(word, addressWords...)
		if full == "" || strings.ContainsAny(word, "./:") || full == "broadcast" && word == "b" {
			full = "local"
			words = append([]string{"local"}, words...)
		}
		if len(words) < 2 {
			s.Refuse(i, "it ends after %s", notation.Word(word))
			return
		}
		if full == "remote" {
			full = "peer"
		}
		values[full] = words[1]
		words = words[2:]
	}
	if values["dev"] == "" {
		s.Refuse(i, "it names no device (dev)")
		return
	}
	f := s.current(values["dev"])
	if f == nil {
		s.twice(i, values["local"])
		s.foreign(values["dev"], values["local"])
		s.about(i, values["dev"])
		return
	}
	Inner(s.Reading, i, f, values["local"], values["peer"])
}

// twice says that an address of a tunnel which is not possible is another one's already.
func (s *Script) twice(i int, local string) {
	own, ok := prefix(local)
	for _, f := range s.Tunnels {
		if ok && slices.ContainsFunc(f.Addresses, func(p netip.Prefix) bool { return p.Addr() == own.Addr() }) {
			s.Refuse(i, "both ends have the inner address %s: each end has its own", own.Addr())
		}
	}
}

// foreign keeps the network of another device: it is behind this host.
func (s *Script) foreign(dev, local string) {
	if p, err := netip.ParsePrefix(local); err == nil && dev != "lo" && !p.IsSingleIP() {
		if _, refused := s.refused[dev]; !refused {
			s.Networks = append(s.Networks, p)
		}
	}
}

// Inner adds an inner address, with the far end's one if there is a peer, as `ip address add LOCAL
// peer PEER` does: the prefix length counts that stands at the peer.
func Inner(r *notation.Reading, i int, f *notation.Found, local, peer string) {
	own, ok := prefix(local)
	if !ok {
		r.Refuse(i, "%s is not an IP address", notation.Word(local))
		return
	}
	for _, other := range r.Tunnels {
		if slices.ContainsFunc(other.Addresses, func(p netip.Prefix) bool { return p.Addr() == own.Addr() }) {
			r.Refuse(i, "%s is an inner address of the tunnel of line %d already: each end has its own", own.Addr(), r.Lines[other.At].N)
			return
		}
	}
	if peer == "" || peer == local {
		f.Addresses = append(f.Addresses, own)
		r.Take(i)
		return
	}
	far, ok := prefix(peer)
	if !ok || far.Addr().Is4() != own.Addr().Is4() {
		r.Refuse(i, "the peer %s is not an IP address of the same family", notation.Word(peer))
		return
	}
	if far.Addr() == own.Addr() {
		r.Refuse(i, "both ends have the inner address %s: each end has its own", own.Addr())
		return
	}
	network := far.Masked()
	if network.Contains(own.Addr()) {
		f.Addresses = append(f.Addresses, netip.PrefixFrom(own.Addr(), far.Bits()))
	} else {
		f.Addresses = append(f.Addresses, netip.PrefixFrom(own.Addr(), own.Addr().BitLen()))
		if !far.IsSingleIP() {
			f.Routes = append(f.Routes, routes.Route{Dst: network})
		}
	}
	f.SetPeers(append(f.Peers(), far.Addr()))
	r.Take(i)
}

// prefix reads an address with a prefix length, or alone.
func prefix(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return routes.HostPrefix(a), true
}
