package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/conntrack"
	"nmgre/routes/keep"
)

const uuid = "00000000-0000-4000-8000-00000000000a"

// snatRule is a rule for the site's tunnel, such as "10.10.2.0/24=10.10.2.1".
func snatRule(t testing.TB, inner, text string) keep.Rule {
	t.Helper()
	s, err := keep.ParseSNAT(text)
	if err != nil {
		t.Fatal(err)
	}
	return keep.Rule{UUID: uuid, Dev: "gre1", Inner: netip.MustParsePrefix(inner), SNAT: s}
}

// setRules must succeed, and report the expected change.
func (s site) setRules(want bool, rules ...keep.Rule) {
	s.gw.T.Helper()
	var changed bool
	err := s.gw.Do(func() (err error) { changed, err = s.g.SetRules(context.Background(), rules); return err })
	if err != nil || changed != want {
		s.gw.T.Errorf("SetRules: changed %v, %v", changed, err)
	}
}

func (s site) missing(rules ...keep.Rule) []int {
	s.gw.T.Helper()
	var missing []int
	if err := s.gw.Do(func() (err error) { missing, err = s.g.Missing(context.Background(), rules); return err }); err != nil {
		s.gw.T.Error(err)
	}
	return missing
}

// TestSetRules sets each kind of rule, sets it again, then sets others, then none. It reads the
// rules back each time.
func TestSetRules(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	sets := map[string][]keep.Rule{
		"one":        {snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1")},
		"masquerade": {snatRule(t, "172.16.0.0/30", "10.10.2.0/24=masquerade")},
		"lengths": {snatRule(t, "172.16.0.0/30", "0.0.0.0/0=masquerade"), snatRule(t, "0.0.0.0/0", "10.10.2.100/32=10.10.2.1"),
			snatRule(t, "172.16.0.1/32", "10.10.2.0/23=10.10.2.1"), snatRule(t, "128.0.0.0/1", "10.0.0.0/8=10.10.2.1")},
		"IPv6":  {snatRule(t, "fd00:16::/64", "fd00:2::/64=fd00:2::1"), snatRule(t, "fd00:16::/61", "::/0=masquerade"), snatRule(t, "fd00:16::1/128", "fd00:2::100/128=fd00:2::1")},
		"clamp": {{UUID: uuid, Dev: "gre1", ClampMSS: true}},
		"all": {snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), snatRule(t, "fd00:16::/64", "fd00:2::/64=fd00:2::1"),
			{UUID: uuid, Dev: "abcdefghijklmno", ClampMSS: true}},
	}
	s.setRules(false)
	for name, rules := range sets {
		t.Run(name, func(t *testing.T) {
			every := make([]int, len(rules))
			for i := range every {
				every[i] = i
			}
			if got := s.missing(rules...); !slices.Equal(got, every) {
				t.Errorf("before: missing %v of %d", got, len(rules))
			}
			s.setRules(true, rules...)
			if got := s.missing(rules...); len(got) > 0 {
				t.Errorf("missing %v", got)
			}
			s.setRules(false, rules...)
			s.setRules(true)
			s.setRules(false)
		})
	}
}

const (
	lanServer  = "10.10.2.100:7"
	lanServer6 = "[fd00:2::100]:7"
)

// TestSNAT sends packets, and checks the source with which they arrive.
func TestSNAT(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.echo(lanServer)
	s.lan.echo(lanServer6)
	s.far.echo("172.16.0.1:7")
	s.gw.echo("10.10.2.1:7")
	s.far.IP("addr add 192.0.2.1/32 dev gre1", "route add 192.0.2.9 via 172.16.0.2")
	s.gw.IP("addr add 10.10.2.3/24 dev eth1", "route add 192.0.2.1 dev gre1")
	s.lan.IP("route add 192.0.2.1 via 10.10.2.1", "route add 172.16.0.2 via 10.10.2.1")
	const inner, inner6 = "172.16.0.0/30", "fd00:16::/64"
	everything := snatRule(t, inner, "0.0.0.0/0=10.10.2.3")
	for _, test := range []struct {
		name     string
		rules    []keep.Rule
		ns       *namespace
		from, to string
		want     string // empty for no answer
	}{
		{"without a rule", nil, s.far, "172.16.0.1:0", lanServer, ""},
		{"to an address", []keep.Rule{snatRule(t, inner, "10.10.2.0/24=10.10.2.3")}, s.far, "172.16.0.1:0", lanServer, "10.10.2.3"},
		{"masquerade", []keep.Rule{snatRule(t, inner, "10.10.2.0/24=masquerade")}, s.far, "172.16.0.1:0", lanServer, "10.10.2.1"},
		{"to one host", []keep.Rule{snatRule(t, inner, "10.10.2.100/32=10.10.2.3")}, s.far, "172.16.0.1:0", lanServer, "10.10.2.3"},
		{"to another host", []keep.Rule{snatRule(t, inner, "10.10.2.101/32=10.10.2.3")}, s.far, "172.16.0.1:0", lanServer, ""},
		{"to everything", []keep.Rule{everything}, s.far, "172.16.0.1:0", lanServer, "10.10.2.3"},
		{"an odd length", []keep.Rule{snatRule(t, "172.16.0.0/13", "10.8.0.0/13=10.10.2.3")}, s.far, "172.16.0.1:0", lanServer, "10.10.2.3"},
		{"the longer destination", []keep.Rule{everything, snatRule(t, inner, "10.10.2.0/24=10.10.2.1")}, s.far, "172.16.0.1:0", lanServer, "10.10.2.1"},
		{"from elsewhere", []keep.Rule{everything}, s.far, "192.0.2.1:0", lanServer, "192.0.2.1"},
		{"from the gateway itself", []keep.Rule{everything}, s.gw, "172.16.0.2:0", lanServer, "10.10.2.3"},
		{"into the tunnel", []keep.Rule{everything}, s.gw, "172.16.0.2:0", "172.16.0.1:7", "172.16.0.2"},
		{"to itself", []keep.Rule{everything}, s.gw, "172.16.0.2:0", "10.10.2.1:7", "172.16.0.2"},
		{"to the gateway", []keep.Rule{everything}, s.far, "172.16.0.1:0", "10.10.2.1:7", "172.16.0.1"},
		{"IPv6 without a rule", []keep.Rule{everything}, s.far, "[fd00:16::1]:0", lanServer6, ""},
		{"IPv6", []keep.Rule{snatRule(t, inner6, "fd00:2::/64=fd00:2::1")}, s.far, "[fd00:16::1]:0", lanServer6, "fd00:2::1"},
		{"IPv6 masquerade", []keep.Rule{snatRule(t, "fd00:16::/61", "::/0=masquerade")}, s.far, "[fd00:16::1]:0", lanServer6, "fd00:2::1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.setRules(len(test.rules) > 0, test.rules...)
			limit := 5 * time.Second
			if test.want == "" {
				limit = 300 * time.Millisecond
			}
			if got := test.ns.talk(test.from, test.to).seenWithin(limit); got != test.want {
				t.Errorf("%s saw %q, want %q", test.to, got, test.want)
			}
			s.setRules(len(test.rules) > 0)
		})
	}
}

// SNAT also applies to packets of the inner network that come by another way, such as another
// tunnel of a multipath route.
func TestSNATByAnotherWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.echo(lanServer)
	s.gw.IP("link add gre2 type veth peer name gre2 netns "+fmt.Sprint(s.far.Thread), "link set dev gre2 up", "addr add 172.16.1.2/30 dev gre2")
	s.far.IP("link set dev gre2 up", "addr add 172.16.1.1/30 dev gre2", "route replace 10.10.2.0/24 via 172.16.1.2")
	s.gw.Carries("gre2")
	s.setRules(true, snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"))
	if got := s.far.talk("172.16.0.1:0", lanServer).seenWithin(5 * time.Second); got != "10.10.2.1" {
		t.Errorf("the LAN saw %q", got)
	}
}

// flows returns the connections that the gateway tracks, with the kernel's number for each. A
// connection that was dropped and begins again has another number.
func (s site) flows() map[string]string {
	s.gw.T.Helper()
	flows := make(map[string]string)
	err := s.gw.Do(func() error {
		for _, c := range []chain{snat4, snat6} {
			all, err := conntrack.Flows(uint8(c.family), func(conntrack.Flow) bool { return true })
			if err != nil {
				return err
			}
			for _, f := range all {
				flows[fmt.Sprintf("%s > %s", f.From, f.To)] = fmt.Sprint(f.ID)
			}
		}
		return nil
	})
	if err != nil {
		s.gw.T.Fatal(err)
	}
	return flows
}

// After a change the new rules apply to older connections too. Other connections are not touched.
func TestFlows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.echo(lanServer)
	s.lan.echo(lanServer6)
	s.far.echo("172.16.0.1:7")
	s.gw.echo("10.10.2.1:7")
	s.far.IP("addr add 192.0.2.1/32 dev gre1", "addr add 192.0.2.2/32 dev gre1")
	s.gw.IP("addr add 10.10.2.3/24 dev eth1", "route add 192.0.2.0/24 dev gre1")
	s.lan.IP("route add 192.0.2.0/24 via 10.10.2.1", "route add 172.16.0.0/30 via 10.10.2.1", "route add fd00:16::/64 via fd00:2::1")
	s.gw.nft(func(c *nftables.Conn) { // somebody else's SNAT, and DNAT
		table := c.AddTable(&nftables.Table{Name: "other", Family: nftables.TableFamilyIPv4})
		post := c.AddChain(&nftables.Chain{Name: "post", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
		c.AddRule(&nftables.Rule{Table: table, Chain: post, Exprs: append(matchPrefix(12, netip.MustParsePrefix("192.0.2.2/32")), &expr.Masq{})})
		pre := c.AddChain(&nftables.Chain{Name: "pre", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest})
		c.AddRule(&nftables.Rule{Table: table, Chain: pre, Exprs: append(matchPrefix(16, netip.MustParsePrefix("172.16.0.2/32")),
			&expr.Immediate{Register: 1, Data: []byte{10, 10, 2, 100}}, &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegAddrMax: 1})})
	})
	ours := map[string]talk{"plain": s.far.talk("172.16.0.1:1000", lanServer), "DNAT": s.far.talk("172.16.0.1:1001", "172.16.0.2:7")}
	ours6 := s.far.talk("[fd00:16::1]:1000", lanServer6)
	others := map[string]talk{"192.0.2.1": s.far.talk("192.0.2.1:1002", lanServer), "10.10.2.1": s.far.talk("192.0.2.2:1003", lanServer),
		"172.16.0.2": s.gw.talk("172.16.0.2:1004", "172.16.0.1:7"), "172.16.0.1": s.far.talk("172.16.0.1:1005", "10.10.2.1:7")}
	others["itself"] = s.gw.talk("172.16.0.2:1006", "10.10.2.1:7")
	const inner, inner6 = "172.16.0.0/30", "fd00:16::/64"
	lan6 := snatRule(t, inner6, "fd00:2::/64=fd00:2::1")
	othersStay := func(when string) {
		t.Helper()
		for want, other := range others {
			if want == "itself" {
				want = "172.16.0.2"
			}
			if got := other.seenWithin(5 * time.Second); got != want {
				t.Errorf("%s: saw %q, want %q", when, got, want)
			}
		}
	}
	othersStay("at first")
	var before map[string]string
	for _, step := range []struct {
		name        string
		rules       []keep.Rule
		want, want6 string
	}{
		{"no rule", nil, "172.16.0.1", "fd00:16::1"},
		{"a rule", []keep.Rule{snatRule(t, inner, "10.10.2.0/24=10.10.2.3")}, "10.10.2.3", "fd00:16::1"},
		{"another source", []keep.Rule{snatRule(t, inner, "10.10.2.0/24=10.10.2.1")}, "10.10.2.1", "fd00:16::1"},
		{"a wider destination", []keep.Rule{snatRule(t, inner, "0.0.0.0/0=10.10.2.3"), lan6}, "10.10.2.3", "fd00:2::1"},
		{"masquerade", []keep.Rule{snatRule(t, inner, "0.0.0.0/0=masquerade"), lan6}, "10.10.2.1", "fd00:2::1"},
		{"a longer one", []keep.Rule{snatRule(t, inner, "0.0.0.0/0=masquerade"), snatRule(t, inner, "10.10.2.100/32=10.10.2.3")}, "10.10.2.3", "fd00:16::1"},
		{"the shorter one", []keep.Rule{snatRule(t, inner, "0.0.0.0/0=masquerade")}, "10.10.2.1", "fd00:16::1"},
		{"no masquerade", nil, "172.16.0.1", "fd00:16::1"},
		{"a rule again", []keep.Rule{snatRule(t, inner, "10.10.2.0/24=10.10.2.3"), lan6}, "10.10.2.3", "fd00:2::1"},
		{"another tunnel's", []keep.Rule{snatRule(t, inner, "10.10.2.0/24=10.10.2.3"), snatRule(t, "172.16.9.0/30", "10.10.2.0/24=10.10.2.1"), lan6}, "10.10.2.3", "fd00:2::1"},
		{"none", nil, "172.16.0.1", "fd00:16::1"},
	} {
		s.setRules(step.name != "no rule", step.rules...)
		if step.name == "another tunnel's" { // it changes nothing for this connection
			if got := s.flows(); !sameFlows(got, before) {
				t.Errorf("%s: got %v, want %v", step.name, got, before)
			}
		}
		for name, talk := range ours {
			if got := talk.seenWithin(5 * time.Second); got != step.want {
				t.Errorf("%s: %s: the LAN saw %q, want %q", step.name, name, got, step.want)
			}
		}
		if got := ours6.seenWithin(5 * time.Second); got != step.want6 {
			t.Errorf("%s: the LAN saw %q, want %q", step.name, got, step.want6)
		}
		now := s.flows()
		for _, other := range []string{"192.0.2.1 > 10.10.2.100", "192.0.2.2 > 10.10.2.100", "172.16.0.2 > 172.16.0.1", "172.16.0.1 > 10.10.2.1", "172.16.0.2 > 10.10.2.1"} {
			if now[other] == "" || before != nil && now[other] != before[other] {
				t.Errorf("%s: the flow %s was %q and is %q", step.name, other, before[other], now[other])
			}
		}
		before = now
	}
	othersStay("at last")
}

func sameFlows(a, b map[string]string) bool {
	for key, id := range a {
		if b[key] != id {
			return false
		}
	}
	return len(a) == len(b)
}

// Rules are replaced at once: no connection can begin between the old rules and the new ones.
func TestSetRulesAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.echo(lanServer)
	s.gw.IP("addr add 10.10.2.3/24 dev eth1")
	s.lan.IP("route add 172.16.0.0/30 via 10.10.2.1")
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.3")}
	s.setRules(true, rules[0])
	// A busy machine may run one of the two alone for long: each goes on until both did enough.
	ctx, enough := context.WithTimeout(t.Context(), time.Minute)
	defer enough()
	var changes atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil && !t.Failed(); changes.Add(1) {
			s.setRules(true, rules[(1+changes.Load())%2])
		}
	}()
	begun := 0
	for ; (begun < 50 || changes.Load() < 20) && ctx.Err() == nil; begun++ {
		talk := s.far.talk("172.16.0.1:0", lanServer)
		if got := talk.seenWithin(5 * time.Second); got != "10.10.2.1" && got != "10.10.2.3" {
			t.Errorf("the LAN saw %q", got)
		}
		talk.conn.Close()
	}
	enough()
	<-done
	if begun < 50 || changes.Load() < 20 {
		t.Errorf("only %d connections in %d changes", begun, changes.Load())
	}
}

// Changes of nmgre's tables by others are seen and repaired. The others' own tables are not
// touched.
func TestSetRulesMends(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.echo(lanServer)
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), snatRule(t, "fd00:16::/64", "fd00:2::/64=fd00:2::1"), {UUID: uuid, Dev: "gre1", ClampMSS: true}}
	table := func(c chain) *nftables.Table { return &nftables.Table{Name: tableName, Family: c.family} }
	in := func(c chain) *nftables.Chain { return &nftables.Chain{Name: c.name, Table: table(c)} }
	others := func() string { return s.handles(func(t *nftables.Table) bool { return t.Name != tableName }) }
	makeOthers := func(c *nftables.Conn) {
		for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet, nftables.TableFamilyBridge} {
			other := c.AddTable(&nftables.Table{Name: "nmgre2", Family: family})
			chain := c.AddChain(&nftables.Chain{Name: "postrouting", Table: other})
			c.AddRule(&nftables.Rule{Table: other, Chain: chain, Exprs: []expr.Any{&expr.Counter{}}})
		}
	}
	s.gw.nft(makeOthers)
	foreign := others()
	s.setRules(true, rules...)
	for name, test := range map[string]struct {
		change  func(c *nftables.Conn)
		missing []int
	}{
		"flush ruleset":      {func(c *nftables.Conn) { c.FlushRuleset(); makeOthers(c) }, []int{0, 1, 2}},
		"a table goes":       {func(c *nftables.Conn) { c.DelTable(table(snat6)) }, []int{1}},
		"a table is emptied": {func(c *nftables.Conn) { c.FlushTable(table(clamp)) }, []int{2}},
		"a chain goes":       {func(c *nftables.Conn) { c.FlushChain(in(snat4)); c.DelChain(in(snat4)) }, []int{0}},
		"a rule of two goes": {func(c *nftables.Conn) {
			list, _ := c.GetRules(table(clamp), in(clamp))
			_ = c.DelRule(&nftables.Rule{Table: table(clamp), Chain: in(clamp), Handle: list[1].Handle})
		}, []int{2}},
		"one rule more": {func(c *nftables.Conn) {
			c.AddRule(&nftables.Rule{Table: table(snat4), Chain: in(snat4), Exprs: []expr.Any{&expr.Masq{}}})
		}, nil},
		"one before it": {func(c *nftables.Conn) {
			c.InsertRule(&nftables.Rule{Table: table(snat4), Chain: in(snat4), Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
		}, nil},
		"another tag": {func(c *nftables.Conn) {
			c.FlushChain(in(snat4))
			c.AddRule(&nftables.Rule{Table: table(snat4), Chain: in(snat4), Exprs: snatExprs(rules[0])})
		}, []int{0}},
		"another priority": {func(c *nftables.Conn) {
			c.FlushChain(in(snat4))
			c.DelChain(in(snat4))
			other := snat4.kernel(table(snat4))
			other.Priority = nftables.ChainPriorityFilter
			c.AddChain(other)
			c.AddRule(&nftables.Rule{Table: table(snat4), Chain: other, Exprs: rulesOf(rules[0])[0].exprs, UserData: []byte("\x00\x2anmgre:" + uuid + "\x00")})
		}, nil},
		"without a hook": {func(c *nftables.Conn) {
			c.FlushChain(in(snat4))
			c.DelChain(in(snat4))
			c.AddChain(in(snat4))
		}, []int{0}},
		"a table of our name more": {func(c *nftables.Conn) {
			c.AddTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyBridge})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.gw.nft(test.change)
			if name == "flush ruleset" {
				foreign = others()
			}
			if got := s.missing(rules...); !slices.Equal(got, test.missing) {
				t.Errorf("missing %v, want %v", got, test.missing)
			}
			// nmgre does not use that family
			s.setRules(name != "a table of our name more", rules...)
			if got := s.missing(rules...); len(got) > 0 {
				t.Errorf("afterwards: missing %v", got)
			}
			s.setRules(false, rules...)
			if got := s.far.talk("172.16.0.1:0", lanServer).seenWithin(5 * time.Second); got != "10.10.2.1" {
				t.Errorf("the LAN saw %q", got)
			}
			if got := others(); got != foreign {
				t.Errorf("others' tables were\n%sand are\n%s", foreign, got)
			}
		})
	}
	s.gw.nft(func(c *nftables.Conn) {
		c.DelTable(c.AddTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyBridge}))
	})
	s.setRules(true)
	if got := s.handles(func(t *nftables.Table) bool { return t.Name == tableName }); got != "" {
		t.Errorf("left behind:\n%s", got)
	}
	// A table of ours that is empty goes too.
	s.gw.nft(func(c *nftables.Conn) { c.AddTable(table(clamp)) })
	s.setRules(true)
	if got := s.handles(func(t *nftables.Table) bool { return t.Name == tableName }); got != "" {
		t.Errorf("left behind:\n%s", got)
	}
	if got := others(); got != foreign {
		t.Errorf("others' tables were\n%sand are\n%s", foreign, got)
	}
}

// handles returns the tables, chains and rules of the gateway with the kernel's numbers. One that
// is made again has another number.
func (s site) handles(which func(*nftables.Table) bool) string {
	s.gw.T.Helper()
	var b strings.Builder
	err := s.gw.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		tables, err := c.ListTables()
		if err != nil {
			return err
		}
		chains, err := c.ListChains()
		if err != nil {
			return err
		}
		for _, table := range tables {
			if !which(table) {
				continue
			}
			fmt.Fprintf(&b, "table %d %s %x\n", table.Family, table.Name, table.Flags)
			for _, chain := range chains {
				if chain.Table.Name != table.Name || chain.Table.Family != table.Family {
					continue
				}
				rules, err := c.GetRules(table, chain)
				if err != nil {
					return err
				}
				fmt.Fprintf(&b, "  chain %s\n", chain.Name)
				for _, r := range rules {
					fmt.Fprintf(&b, "    rule %d of %d\n", r.Handle, len(r.Exprs))
				}
			}
		}
		return nil
	})
	if err != nil {
		s.gw.T.Fatal(err)
	}
	return b.String()
}

// TestSetRulesMany sets the rules of very many tunnels, in one transaction.
func TestSetRulesMany(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var rules []keep.Rule
	for i := range 2000 {
		inner := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 20, byte(i >> 6), byte(i << 2)}), 30)
		id := fmt.Sprintf("00000000-0000-4000-8000-%012x", i)
		rule := snatRule(t, inner.String(), "10.10.2.0/24=10.10.2.1")
		rule.UUID, rule.Dev = id, fmt.Sprint("gre", i)
		rules = append(rules, rule, keep.Rule{UUID: id, Dev: rule.Dev, ClampMSS: true})
	}
	began := time.Now()
	s.setRules(true, rules...)
	set := time.Since(began)
	s.setRules(false, rules...)
	if got := s.missing(rules...); len(got) > 0 {
		t.Errorf("missing %d", len(got))
	}
	s.setRules(true, rules[:2]...)
	if got := s.missing(rules...); len(got) != len(rules)-2 {
		t.Errorf("missing %d of %d", len(got), len(rules))
	}
	t.Logf("%d rules in %v, all calls in %v", 3*len(rules)/2, set, time.Since(began))
}

// TestClampMSS checks the segment size that the ends of a connection agree on. The tunnel carries
// 1400 bytes, which neither end knows.
func TestClampMSS(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.IP("route add 172.16.0.0/30 via 10.10.2.1", "route add fd00:16::/64 via fd00:2::1")
	s.gw.IP("link set dev gre1 mtu 1400")
	const headers4, headers6, timestamps = 40, 60, 12
	far := func(network, address string) (int, int) { return s.segments(s.far, network, address) }
	for network, address := range map[string]string{"tcp4": "10.10.2.100:0", "tcp6": "[fd00:2::100]:0"} {
		headers := map[string]int{"tcp4": headers4, "tcp6": headers6}[network]
		if client, server := far(network, address); client != 1500-headers-timestamps || server != 1500-headers-timestamps {
			t.Errorf("%s: without a rule: %d and %d bytes", network, client, server)
		}
		s.setRules(true, keep.Rule{UUID: uuid, Dev: "gre1", ClampMSS: true})
		if client, server := far(network, address); client != 1400-headers-timestamps || server != 1400-headers-timestamps {
			t.Errorf("%s: with a rule: %d and %d bytes", network, client, server)
		}
		s.setRules(true)
	}
	// Another device's packets are left alone, and so are smaller sizes.
	s.setRules(true, keep.Rule{UUID: uuid, Dev: "gre10", ClampMSS: true})
	if client, server := far("tcp4", "10.10.2.100:0"); client != 1500-headers4-timestamps || server != client {
		t.Errorf("another device's rule: %d and %d bytes", client, server)
	}
	s.setRules(true, keep.Rule{UUID: uuid, Dev: "gre1", ClampMSS: true})
	s.far.IP("link set dev gre1 mtu 1000")
	if client, server := far("tcp4", "10.10.2.100:0"); client != 1000-headers4-timestamps || server != client {
		t.Errorf("a smaller size: %d and %d bytes", client, server)
	}
}

// segments connects to an address of lan, and returns the largest segment that each end sends.
func (s site) segments(from *namespace, network, address string) (client, server int) {
	s.gw.T.Helper()
	var listener net.Listener
	var dialed, taken net.Conn
	err := s.lan.Do(func() (err error) { listener, err = net.Listen(network, address); return err })
	if err == nil {
		defer listener.Close()
		err = from.Do(func() (err error) {
			dialed, err = net.DialTimeout(network, listener.Addr().String(), 5*time.Second)
			// While the devices' own IPv6 addresses are new, neighbours may not be found.
			for range 3 {
				if errors.Is(err, unix.EHOSTUNREACH) {
					dialed, err = net.DialTimeout(network, listener.Addr().String(), 5*time.Second)
				}
			}
			return err
		})
	}
	if err == nil {
		defer dialed.Close()
		taken, err = listener.Accept()
	}
	if err != nil {
		s.gw.T.Fatal(err)
	}
	defer taken.Close()
	size := func(c net.Conn) (n int) {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { n, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) })
		}
		if err != nil {
			s.gw.T.Fatal(err)
		}
		return n
	}
	return size(dialed), size(taken)
}

// TestNotPermitted asks on a thread that has lost its capabilities.
func TestNotPermitted(t *testing.T) {
	t.Parallel()
	s, ctx := newSite(t), context.Background()
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1")}
	s.setRules(true, rules...)
	errs := make(map[string]error)
	_ = s.gw.Do(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
		}
		_, errs["Missing"] = s.g.Missing(ctx, rules)
		_, errs["SetRules"] = s.g.SetRules(ctx, nil)
		_, errs["Obstacles"] = s.g.Obstacles(ctx, []string{"gre1", "eth1"})
		_, errs["OuterRules"] = s.g.OuterRules(ctx, outerOf("192.0.2.1"))
		return nil
	})
	for what, err := range errs {
		if !errors.Is(err, fault.ErrNotPermitted) || len(fault.Hints(err)) != 1 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// After the end of a context every call fails, before it changes anything.
func TestContext(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1")}
	errs := make(map[string]error)
	_ = s.gw.Do(func() error {
		_, errs["Missing"] = s.g.Missing(ctx, rules)
		_, errs["SetRules"] = s.g.SetRules(ctx, rules)
		_, errs["Obstacles"] = s.g.Obstacles(ctx, []string{"gre1", "eth1"})
		_, errs["OuterRules"] = s.g.OuterRules(ctx, outerOf("192.0.2.1"))
		_, errs["Forwarding"] = s.g.Forwarding(ctx, "eth1")
		errs["SetForwarding"] = s.g.SetForwarding(ctx, "eth1", false)
		return nil
	})
	for what, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := s.missing(rules...); len(got) != 1 {
		t.Error("the rule is there")
	}
}

// TestDecode reads back rules of all kinds.
func TestDecode(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	prefix := func(six bool) netip.Prefix {
		var b [16]byte
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if six {
			return netip.PrefixFrom(netip.AddrFrom16(b), random.IntN(129)).Masked()
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), random.IntN(33)).Masked()
	}
	for i := range 2000 {
		six := i%2 == 1
		want := snat{inner: prefix(six), dst: prefix(six), dev: "gre1"}
		if i%3 == 0 {
			want.source = prefix(six).Addr()
		}
		rule := keep.Rule{UUID: uuid, Dev: want.dev, Inner: want.inner, SNAT: keep.SNAT{Dst: want.dst, Source: want.source}}
		if got, ok := rulesOf(rule)[0].decode(); !ok || got != want {
			t.Fatalf("%+v is read back as %+v, %v", want, got, ok)
		}
	}
	for name, exprs := range map[string][]expr.Any{
		"nothing": nil, "no SNAT": {&expr.Counter{}}, "a long address": {&expr.Payload{Offset: 12}, &expr.Cmp{Data: make([]byte, 17)}, &expr.Masq{}},
		"another family": {&expr.Immediate{Data: make([]byte, 16)}, &expr.NAT{}}, "no address": {&expr.Immediate{Data: make([]byte, 3)}, &expr.NAT{}},
	} {
		if got, ok := (text{chain: snat4, exprs: exprs}).decode(); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
