package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Obstacles looks in other programs' nftables rules for what drops connections that are forwarded
// between the first of devs, which is the tunnel's, and the others, in either direction. IPv6
// counts where this host forwards it and the tunnel has an address of it. Rules of iptables that it
// keeps elsewhere (iptables-legacy) are not seen.
func (g *Gateway) Obstacles(ctx context.Context, devs []string) ([]keep.Obstacle, error) {
	const what = "look for firewalls"
	conn, err := dial(ctx)
	if err != nil {
		return nil, failed(what, err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		return nil, failed(what, err)
	}
	all, err := conn.ListChains()
	if err != nil {
		return nil, failed(what, err)
	}
	s := survey{conn: conn, chains: all, devs: devs, indexes: indexesOf(devs), rules: make(map[string][]*nftables.Rule), sets: make(map[string][]nftables.SetElement)}
	families := g.families(devs)
	var list []keep.Obstacle
	for _, base := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if isBase(base) && slices.Contains(families, base.Table.Family) && !isDormant(tables, base.Table) {
			list = append(list, s.chain(base)...)
		}
	}
	return list, nil
}

// isBase says whether forwarded packets come by a chain of another program.
func isBase(c *nftables.Chain) bool {
	return c.Table != nil && c.Table.Name != tableName && c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward
}

func isDormant(tables []*nftables.Table, t *nftables.Table) bool {
	return slices.ContainsFunc(tables, func(o *nftables.Table) bool {
		return o.Name == t.Name && o.Family == t.Family && o.Flags&dormant != 0
	})
}

// families are those whose chains count.
func (g *Gateway) families(devs []string) []nftables.TableFamily {
	list := []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyINet}
	on, err := os.ReadFile(g.proc + "/ipv6/conf/all/forwarding")
	if err == nil && bytes.HasPrefix(on, []byte("1")) && len(devs) > 0 && hasIPv6(devs[0]) {
		list = append(list, nftables.TableFamilyIPv6)
	}
	return list
}

// hasIPv6 says whether a device has an IPv6 address that packets are forwarded from.
func hasIPv6(dev string) bool {
	device, err := net.InterfaceByName(dev)
	if err != nil {
		return false
	}
	addresses, err := device.Addrs()
	return err == nil && slices.ContainsFunc(addresses, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.To4() == nil && !n.IP.IsLinkLocalUnicast()
	})
}

func indexesOf(devs []string) map[string]int {
	indexes := make(map[string]int)
	for _, dev := range devs {
		if device, err := net.InterfaceByName(dev); err == nil {
			indexes[dev] = device.Index
		}
	}
	return indexes
}

// survey is what is read of the host's rules, each chain and set once.
type survey struct {
	conn    *nftables.Conn
	chains  []*nftables.Chain
	devs    []string
	indexes map[string]int
	rules   map[string][]*nftables.Rule
	sets    map[string][]nftables.SetElement
}

// blocked are the ways, from a device to another, that a chain drops.
type blocked struct {
	from, to string
	perhaps  bool // unless a rule that was not understood accepts it
}

// chain returns what is to be told of one chain; nothing if it drops none of the packets that are
// asked about.
func (s *survey) chain(base *nftables.Chain) []keep.Obstacle {
	var ways []blocked
	for _, dev := range s.devs[min(1, len(s.devs)):] {
		for _, way := range [][2]string{{s.devs[0], dev}, {dev, s.devs[0]}} {
			if f, w := s.walk(base, way[0], way[1]); f == dropped {
				ways = append(ways, blocked{way[0], way[1], w.perhaps})
			}
		}
	}
	if len(ways) == 0 {
		return nil
	}
	return []keep.Obstacle{s.firewall(base).obstacle(ways)}
}

// walk sends a packet through a chain.
func (s *survey) walk(base *nftables.Chain, in, out string) (fate, *walk) {
	family := base.Table.Family
	if family == nftables.TableFamilyINet {
		family = nftables.TableFamilyIPv4
	}
	w := &walk{packet: packet{in, out, s.indexes[in], s.indexes[out], family}}
	w.rulesOf = func(name string) []*nftables.Rule { return s.rulesIn(base.Table, name, w) }
	w.inSet = func(name string, key []byte) (*expr.Verdict, answer) { return s.inSet(base.Table, name, key) }
	f := w.chain(base.Name, 0)
	if f == undecided && base.Policy != nil && *base.Policy == nftables.ChainPolicyDrop {
		f = dropped
	}
	return f, w
}

// rulesIn reads a chain. What the library cannot read may be anything.
func (s *survey) rulesIn(table *nftables.Table, name string, w *walk) []*nftables.Rule {
	key := fmt.Sprintf("%d %s %s", table.Family, table.Name, name)
	rules, known := s.rules[key]
	if !known {
		var err error
		if rules, err = s.conn.GetRules(table, &nftables.Chain{Name: name, Table: table}); err != nil {
			w.perhaps = true
		}
		s.rules[key] = rules
	}
	return rules
}

// inSet looks for a key, which may be longer than those of the set. Of a set of intervals nothing
// is said, nor of one that cannot be read.
func (s *survey) inSet(table *nftables.Table, name string, key []byte) (*expr.Verdict, answer) {
	id := fmt.Sprintf("%d %s %s", table.Family, table.Name, name)
	elements, known := s.sets[id]
	if !known {
		var err error
		elements, err = s.conn.GetSetElements(&nftables.Set{Table: table, Name: name})
		if err != nil || slices.ContainsFunc(elements, func(e nftables.SetElement) bool { return e.IntervalEnd || len(e.Key) == 0 || e.KeyEnd != nil }) {
			elements = []nftables.SetElement{{}} // what has no key
		}
		s.sets[id] = elements
	}
	for _, e := range elements {
		if len(e.Key) == 0 {
			return nil, unsure
		}
		if bytes.HasPrefix(key, e.Key) {
			return verdictOf(e.Val), yes
		}
	}
	return nil, no
}

// verdictOf reads a verdict of a map, which the library leaves as the kernel has sent it; nil if it
// is none.
func verdictOf(value []byte) *expr.Verdict {
	attrs, err := nl.ParseRouteAttr(value)
	if err != nil {
		return nil
	}
	var v *expr.Verdict
	for _, a := range attrs {
		switch a.Attr.Type & nl.NLA_TYPE_MASK {
		case unix.NFTA_VERDICT_CODE:
			if len(a.Value) == 4 {
				v = &expr.Verdict{Kind: expr.VerdictKind(int32(binary.BigEndian.Uint32(a.Value)))} //nolint:gosec // jumps are negative
			}
		case unix.NFTA_VERDICT_CHAIN:
			if v != nil {
				v.Chain = string(bytes.TrimRight(a.Value, "\x00"))
			}
		}
	}
	return v
}

// firewall is the program whose rules a chain is a part of.
func (s *survey) firewall(base *nftables.Chain) firewall {
	has := func(name string) bool {
		return slices.ContainsFunc(s.chains, func(c *nftables.Chain) bool {
			return c.Table != nil && c.Table.Name == base.Table.Name && c.Table.Family == base.Table.Family && c.Name == name
		})
	}
	command := "iptables"
	if base.Table.Family == nftables.TableFamilyIPv6 {
		command = "ip6tables"
	}
	switch isFilter := base.Table.Name == "filter" && base.Name == "FORWARD"; {
	case base.Table.Name == "firewalld" || isFilter && has("FORWARD_direct"):
		return s.firewalld(base)
	case isFilter && has("ufw-user-forward") || isFilter && has("ufw6-user-forward"):
		return ufw{}
	case isFilter && has("DOCKER-USER"):
		return iptables{"Docker", command, "DOCKER-USER"}
	case isFilter:
		return iptables{command, command, base.Name}
	}
	return plain{base}
}

// between says in words which ways are meant.
func between(ways []blocked) string {
	var parts []string
	for i := 0; i < len(ways); i++ {
		from, to := fault.Printable(ways[i].from), fault.Printable(ways[i].to)
		if i+1 < len(ways) && ways[i+1].from == ways[i].to && ways[i+1].to == ways[i].from {
			parts = append(parts, "between "+from+" and "+to)
			i++
			continue
		}
		parts = append(parts, "from "+from+" to "+to)
	}
	return strings.Join(parts, " and ")
}
