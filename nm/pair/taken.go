package pair

import "slices"

// Taken returns the names of the far host's tunnels that are the other ends of tunnels of the near
// host's, but not of the one named name: they mirror it, or they share an inner network with it. To
// make the other end of name, they are not to be changed.
func Taken(near, far *Hello, name string) []string {
	var taken []string
	for _, e := range far.Ends {
		belongs := func(n Ends) bool { return n.mirrors(e) || shareInner(near, n.Name, far, e.Name) }
		if slices.ContainsFunc(near.Ends, func(n Ends) bool { return n.Name == name && belongs(n) }) {
			continue
		}
		if slices.ContainsFunc(near.Ends, func(n Ends) bool { return n.Name != name && belongs(n) }) && len(taken) < maxList {
			taken = append(taken, e.Name)
		}
	}
	return taken
}

// shareInner says whether the tunnel a of one host and the tunnel b of the other one have addresses
// in one network.
func shareInner(one *Hello, a string, other *Hello, b string) bool {
	return slices.ContainsFunc(one.Nets, func(n Net) bool {
		return n.Tunnel && n.Dev == a && slices.ContainsFunc(other.Nets, func(o Net) bool { return o.Tunnel && o.Dev == b && o.Address.Masked() == n.Address.Masked() })
	})
}

// Same says whether the two hosts are one: all their addresses and devices are the same.
func Same(near, far *Hello) bool {
	return len(near.Nets) > 0 && slices.Equal(near.Nets, far.Nets) && slices.Equal(near.Names, far.Names)
}
