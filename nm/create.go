package nm

import (
	"net/netip"
	"slices"
	"strconv"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// CreateCommand returns the nmgre command that makes the tunnel, in the words of a shell. Flags
// with their default values are left out. [Tunnel.WithKept] adds the kept routes and rules before.
func (t Tunnel) CreateCommand() string {
	words := []string{"nmgre", "create"}
	add := func(flag, value string) { words = append(words, "--"+flag, value) }
	if t.Name != "" {
		add("name", t.Name)
	}
	if t.Mode != gre.ModeGRE {
		add("mode", t.Mode.String())
	}
	if t.Remote.IsValid() && !t.Remote.IsUnspecified() || !t.Remote.IsValid() && t.PeerName != "" {
		add("peer", t.PeerFlag())
	} else { // the other end has any local address: a person has to fill it in
		add("peer", "ADDRESS")
	}
	if t.Local.IsUnspecified() {
		add("local", "any")
	} else if t.Local.IsValid() {
		add("local", t.Local.String())
	}
	for _, p := range t.Addresses {
		add("address", p.String())
	}
	if peers := t.Peers(); len(peers) > 1 || len(peers) == 1 && peers[0] != t.ChoosePeer() {
		for _, peer := range peers {
			add("peer-address", peer.String())
		}
	}
	words = append(words, t.createOptions()...)
	for _, r := range t.Routes {
		if !t.IsRouteToPeer(r) {
			add("route", r.String())
		}
	}
	for _, r := range t.Rules {
		add("rule", r.String())
	}
	for _, s := range t.SNAT {
		add("snat", s.String())
	}
	if t.Zone != "" {
		add("zone", t.Zone)
	}
	for _, option := range []struct {
		word string
		on   bool
	}{{"--forward", t.Forward}, {"--clamp-mss", t.ClampMSS}, {"--follow", t.Follow}, {"--no-probe=" + Always, t.NoProbe}, {"--autoconnect=false", !t.Autoconnect}} {
		if option.on {
			words = append(words, option.word)
		}
	}
	return fault.Shell(words)
}

// IsRouteToPeer says whether r is a route to a peer address that a plan adds by itself.
func (t Tunnel) IsRouteToPeer(r routes.Route) bool {
	return slices.ContainsFunc(t.Peers(), func(peer netip.Addr) bool {
		covered := slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(peer) })
		return !covered && r.Dst == routes.HostPrefix(peer) && r.String() == peer.String()
	})
}

// createOptions are the flags for the headers, the MTU and the parent.
func (t Tunnel) createOptions() []string {
	var words []string
	if t.InputKey != nil && gre.SameKey(t.InputKey, t.OutputKey) {
		words = append(words, "--key", t.InputKey.String())
	} else {
		for _, key := range []struct {
			flag string
			key  *gre.Key
		}{{"--input-key", t.InputKey}, {"--output-key", t.OutputKey}} {
			if key.key != nil {
				words = append(words, key.flag, key.key.String())
			}
		}
	}
	if t.TTL != gre.DefaultTTL {
		words = append(words, "--ttl", gre.TTLText(t.TTL))
	}
	if t.NoPMTUD {
		words = append(words, "--no-pmtud")
	}
	limit := t.EncapLimit
	if limit == gre.DefaultEncapLimit {
		limit = 0
	}
	for _, option := range []struct {
		flag  string
		value uint32
	}{{"--tos", uint32(t.TOS)}, {"--encap-limit", uint32(limit)}, {"--flow-label", t.FlowLabel}, {"--mtu", t.MTU}} {
		if option.value != 0 {
			words = append(words, option.flag, strconv.FormatUint(uint64(option.value), 10))
		}
	}
	if t.HasNoEncapLimit() {
		words = append(words, "--encap-limit", "none")
	}
	if flags := t.otherFlags(); flags != 0 {
		words = append(words, "--flags", flags.String())
	}
	for _, option := range []struct{ flag, value string }{{"--parent", t.Parent}, {"--controller", t.Controller}, {"--mac", t.MAC}} {
		if option.value != "" {
			words = append(words, option.flag, option.value)
		}
	}
	for _, name := range t.Link.Names() {
		words = append(words, "--"+name)
	}
	return words
}
