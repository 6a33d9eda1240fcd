package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"nmgre/routes/gateway/blocked"
	"nmgre/routes/gateway/firewalls"
	"nmgre/routes/gateway/ruleset"
	"nmgre/routes/gateway/sets"
	"nmgre/routes/keep"
)

// Obstacles returns the firewalls that drop connections forwarded between the first of devs, which
// is the tunnel's, and the others, in either direction. It reads other programs' nftables rules; it
// does not see those of iptables-legacy. IPv6 counts if this host forwards it and the tunnel has an
// IPv6 address. It fails with ErrNotPermitted without root.
func (g *Gateway) Obstacles(ctx context.Context, devs []string) ([]keep.Obstacle, error) {
	s, err := newSurvey(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return g.obstacles(ctx, s.between(devs))
}

// obstacles looks for them in the survey.
func (g *Gateway) obstacles(ctx context.Context, s *survey) ([]keep.Obstacle, error) {
	families := g.families(s.devs)
	var list []keep.Obstacle
	for _, base := range s.chains {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.isBase(base) && *base.Hooknum == *nftables.ChainHookForward && slices.Contains(families, base.Table.Family) {
			list = append(list, s.chain(base)...)
		}
	}
	return list, nil
}

// families returns the families whose chains count.
func (g *Gateway) families(devs []string) []nftables.TableFamily {
	list := []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyINet}
	on, err := os.ReadFile(g.proc + "/ipv6/conf/all/forwarding")
	if err == nil && bytes.HasPrefix(on, []byte("1")) && len(devs) > 0 && hasIPv6(devs[0]) {
		list = append(list, nftables.TableFamilyIPv6)
	}
	return list
}

// hasIPv6 reports whether a device has an IPv6 address that is not link-local.
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

// indexesOf returns the indexes of all devices by their names, none if the kernel does not tell.
func indexesOf() map[string]int {
	devices, err := net.Interfaces()
	if err != nil {
		return nil
	}
	indexes := make(map[string]int, len(devices))
	for _, device := range devices {
		indexes[device.Name] = device.Index
	}
	return indexes
}

// survey reads the host's rules, each chain and set once.
type survey struct {
	conn    *nftables.Conn
	tables  []*nftables.Table
	chains  []*nftables.Chain
	devs    []string
	indexes map[string]int
	rules   map[string]rulesRead
	sets    map[string]sets.Elements
}

// newSurvey lists the host's chains. It must be closed.
func newSurvey(ctx context.Context) (s *survey, err error) {
	const attempt = "look for firewalls"
	s = &survey{indexes: indexesOf(), rules: make(map[string]rulesRead), sets: make(map[string]sets.Elements)}
	// one socket for all requests, since firewalld has a hundred chains
	if s.conn, err = dial(ctx, nftables.AsLasting()); err != nil {
		return nil, failed(attempt, err)
	}
	if s.tables, err = s.conn.ListTables(); err == nil {
		s.chains, err = s.conn.ListChains()
	}
	if err != nil {
		s.close()
		return nil, failed(attempt, err)
	}
	return s, nil
}

// between returns the same survey for packets between these devices.
func (s *survey) between(devs []string) *survey {
	other := *s
	other.devs = devs
	return &other
}

func (s *survey) close() { _ = s.conn.CloseLasting() }

// isBase reports whether c is another program's chain that packets pass at a hook.
func (s *survey) isBase(c *nftables.Chain) bool {
	return c.Table != nil && c.Table.Name != tableName && c.Hooknum != nil && !s.isDormant(c.Table)
}

func (s *survey) isDormant(t *nftables.Table) bool {
	return slices.ContainsFunc(s.tables, func(o *nftables.Table) bool {
		return o.Name == t.Name && o.Family == t.Family && o.Flags&dormant != 0
	})
}

// chain returns the obstacle that a chain is, or nil if it drops no packets between the devices.
func (s *survey) chain(base *nftables.Chain) []keep.Obstacle {
	var list []blocked.Way
	for _, dev := range s.devs[min(1, len(s.devs)):] {
		for _, way := range [][2]string{{s.devs[0], dev}, {dev, s.devs[0]}} {
			if f, w := s.walk(base, way[0], way[1]); f == dropped {
				list = append(list, blocked.Way{From: way[0], To: way[1], Perhaps: w.perhaps})
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	program := firewalls.Forwarding(base, s.neighbours(base), func() firewalls.Zones { return s.zones(base) })
	o := program.Obstacle(list)
	o.Apart = blocked.Apart(list)
	return []keep.Obstacle{o}
}

// walk sends a packet through a chain.
func (s *survey) walk(base *nftables.Chain, in, out string) (fate, *walk) {
	family := base.Table.Family
	if family == nftables.TableFamilyINet {
		family = nftables.TableFamilyIPv4
	}
	w := &walk{packet: packet{in, out, s.indexes[in], s.indexes[out], family}}
	return s.run(base, w), w
}

// run sends a walk's packet through a chain and its policy.
func (s *survey) run(base *nftables.Chain, w *walk) fate {
	w.rulesOf = func(name string) []*nftables.Rule { return s.rulesIn(base.Table, name, w) }
	w.inSet = func(name string, key []byte) (*expr.Verdict, answer) { return s.inSet(base.Table, name, key) }
	f := w.chain(base.Name, 0)
	if f == undecided && base.Policy != nil && *base.Policy == nftables.ChainPolicyDrop {
		f = dropped
	}
	return f
}

// rulesRead are the rules of chains, by the names of the chains, or the error of reading them.
type rulesRead struct {
	chains map[string][]*nftables.Rule
	err    error
}

// manyChains is the number of chains of a table above which they are read one by one. Firewalld has
// a hundred, of which a packet passes the most; a host with many containers has thousands.
const manyChains = 500

// rulesIn returns the rules of a chain. A chain that cannot be read may have any rules.
func (s *survey) rulesIn(table *nftables.Table, name string, w *walk) []*nftables.Rule {
	of := "" // every chain
	if s.chainsIn(table) > manyChains {
		of = name
	}
	key := fmt.Sprintf("%d %s %s", table.Family, table.Name, of)
	read, known := s.rules[key]
	if !known {
		read.chains, read.err = ruleset.Read(table, of)
		s.rules[key] = read
	}
	w.perhaps = w.perhaps || read.err != nil
	return read.chains[name]
}

func (s *survey) chainsIn(table *nftables.Table) (n int) {
	for _, c := range s.chains {
		if c.Table != nil && c.Table.Name == table.Name && c.Table.Family == table.Family {
			n++
		}
	}
	return n
}

// neighbours returns a function that reports whether the table of a chain has another one.
func (s *survey) neighbours(of *nftables.Chain) func(chain string) bool {
	return func(chain string) bool {
		return slices.ContainsFunc(s.chains, func(c *nftables.Chain) bool {
			return c.Table != nil && c.Table.Name == of.Table.Name && c.Table.Family == of.Table.Family && c.Name == chain
		})
	}
}

// zones finds each device's zone of firewalld by the chains that its packets pass.
func (s *survey) zones(base *nftables.Chain) firewalls.Zones {
	z := firewalls.Zones{Tunnel: s.devs[0], Of: make(map[string]string)}
	for _, dev := range s.devs {
		_, w := s.walk(base, dev, "")
		z.Of[dev] = firewalls.ZoneOf(w.chains)
	}
	return z
}
