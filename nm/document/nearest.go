package document

import (
	"slices"
	"strings"
	"sync"

	"nmgre/routes/fault"
)

// meant has the fields that people mean by other words: the flags, and the words of other programs.
var meant = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"address": "addresses", "route": "routes", "rule": "rules", "peer-address": "peer-addresses", "remote": "peer", "far": "peer", "interface": "name", "ifname": "name",
		"dev": "parent", "ikey": "input-key", "okey": "output-key", "bridge": "controller", "nat": "snat", "type": "mode", "network": "networks", "ip": "addresses", "tunnel": "tunnels",
		"addrs": "addresses", "addr": "addresses", "host": "hosts", "link": "links", "mesh": "full", "hub": "star", "ensure": "state", "pmtud": "no-pmtud", "df": "ignore-df", "src": "local", "dst": "peer", "keys": "key-pool", "pools": "pool",
		"lan": "networks", "lans": "networks", "subnet": "networks", "subnets": "networks", "nets": "networks",
	}
})

// meantOfHost has the words for the outer address of a host, which mean another field of a tunnel.
var meantOfHost = []string{"address", "addr", "ip", "ansible-host", "endpoint", "public", "wan", "peer", "remote"}

// Nearest is the hint about an unknown word: the one of known that is meant, or that is spelled
// most alike, or all of them where none is near. kind names them, such as "fields".
func Nearest(word, kind string, known []string) string {
	plain := strings.ReplaceAll(strings.ToLower(word), "_", "-")
	if slices.Contains(known, "outer") && slices.Contains(meantOfHost, plain) {
		return "did you mean outer"
	}
	if name := meant()[plain]; slices.Contains(known, name) {
		return "did you mean " + name
	}
	if place := elsewhere(plain); kind == "fields" && !slices.Contains(known, plain) && place != "" {
		return plain + " is a field of " + place
	}
	return fault.Choice(word, kind, known, nil)
}

// elsewhere says where a field stands that does not stand here; it is empty for no field. For a
// field that may stand in several places it names the largest.
func elsewhere(name string) string {
	for _, place := range []struct {
		name   string
		fields []string
	}{{"the document itself: write it at the top", topFields}, {"a host", hostFields}, {"a link", linkFields}, {"a tunnel", names(false, "state")}} {
		if slices.Contains(place.fields, name) {
			return place.name
		}
	}
	return ""
}
