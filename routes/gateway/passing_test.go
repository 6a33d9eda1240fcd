package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/testdata/want"
)

// others gives the gateway a chain of another program's, in a table of that name, with one rule.
func (s site) others(name string, priority int, exprs ...expr.Any) {
	s.gw.T.Helper()
	s.gw.nft(func(c *nftables.Conn) {
		table := c.AddTable(&nftables.Table{Name: name, Family: nftables.TableFamilyIPv4})
		at := nftables.ChainPriority(priority)
		chain := c.AddChain(&nftables.Chain{Name: "post", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: &at})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
	})
}

// snatTo is `MATCH snat to ADDRESS`.
func snatTo(address string, match ...expr.Any) []expr.Any {
	return append(match, &expr.Immediate{Register: 1, Data: netip.MustParseAddr(address).AsSlice()},
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegAddrMax: 1})
}

// protocol is `meta l4proto P`.
func protocol(p byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{p}}}
}

func (s site) translations(p keep.Passing) (t keep.Translations) {
	s.gw.T.Helper()
	if err := s.gw.Do(func() (err error) { t, err = s.g.Translations(context.Background(), p); return err }); err != nil {
		s.gw.T.Error(err)
	}
	return t
}

// told prints the rules.
func told(t keep.Translations) string {
	var lines []string
	for _, o := range t.Others {
		line := fmt.Sprintf("%s %s to %v", o.Table, o.Chain, o.To)
		if o.Perhaps {
			line += " perhaps"
		}
		if strings.HasSuffix(o.What, " (TCP)") {
			line += " (TCP)"
		}
		if o.Handle == 0 || o.Hook != "postrouting" || !o.Out || !strings.Contains(o.What, "handle") {
			line += fmt.Sprintf(" (not named: %+v)", o)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// Rules of other programs before nmgre's, behind them and beside them: the report on packets of the
// gateway itself and on forwarded ones, and the sources that the LAN sees.
func TestTranslations(t *testing.T) {
	t.Parallel()
	out := matchDevice(expr.MetaKeyOIFNAME, expr.CmpOpEq, "eth1")
	for _, test := range []struct {
		name           string
		before, after  func(s site) // nmgre's own rule is set
		own, forwarded string       // the rules that are reported
		seen, seenFar  string       // the sources that the LAN sees
	}{
		{"alone", nil, nil, "", "", "10.10.2.3", "10.10.2.3"},
		{"before", nil, func(s site) { s.others("a", 50, snatTo("10.10.2.7", out...)...) }, "a post to 10.10.2.7", "a post to 10.10.2.7", "10.10.2.7", "10.10.2.7"},
		{"at the usual place, later", nil, func(s site) { s.others("a", 100, snatTo("10.10.2.7", out...)...) }, "", "", "10.10.2.3", "10.10.2.3"},
		{"at the usual place, earlier", func(s site) { s.others("a", 100, snatTo("10.10.2.7", out...)...) }, nil, "", "", "10.10.2.3", "10.10.2.3"},
		{"later with the same priority", nil, func(s site) { s.others("a", 95, snatTo("10.10.2.7", out...)...) },
			"a post to 10.10.2.7", "a post to 10.10.2.7", "10.10.2.7", "10.10.2.7"},
		{"earlier with the same priority", func(s site) { s.others("a", 95, snatTo("10.10.2.7", out...)...) }, nil,
			"a post to 10.10.2.7 perhaps", "a post to 10.10.2.7 perhaps", "10.10.2.3", "10.10.2.3"},
		{"of packets from the tunnel", nil, func(s site) {
			s.others("a", 50, snatTo("10.10.2.7", matchDevice(expr.MetaKeyIIFNAME, expr.CmpOpEq, "gre1")...)...)
		}, "", "a post to 10.10.2.7", "10.10.2.3", "10.10.2.7"},
		{"of other packets", nil, func(s site) {
			s.others("a", 50, snatTo("10.10.2.7", matchPrefix(12, netip.MustParsePrefix("192.0.2.0/24"))...)...)
		}, "", "", "10.10.2.3", "10.10.2.3"},
		{"of another protocol", nil, func(s site) { s.others("a", 50, snatTo("10.10.2.7", protocol(unix.IPPROTO_TCP)...)...) },
			"", "a post to 10.10.2.7 (TCP)", "10.10.2.3", "10.10.2.3"},
		{"of the first packet of a connection", nil, func(s site) {
			direction := []expr.Any{&expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{0}}}
			s.others("a", 50, snatTo("10.10.2.7", direction...)...)
		}, "a post to 10.10.2.7", "a post to 10.10.2.7", "10.10.2.7", "10.10.2.7"},
		{"to the same source", nil, func(s site) { s.others("a", 50, snatTo("10.10.2.3")...); s.others("b", 60, snatTo("10.10.2.7")...) }, "", "", "10.10.2.3", "10.10.2.3"},
		{"that accepts", nil, func(s site) { s.others("a", 50, &expr.Verdict{Kind: expr.VerdictAccept}) }, "", "", "10.10.2.3", "10.10.2.3"},
		{"masquerade", nil, func(s site) { s.others("a", 50, &expr.Masq{}) }, "a post to 10.10.2.1", "a post to 10.10.2.1", "10.10.2.1", "10.10.2.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.lan.echo(lanServer)
			for _, a := range []string{"10.10.2.3", "10.10.2.7"} {
				s.gw.IP("addr add " + a + "/24 dev eth1")
			}
			rule := snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.3")
			if test.before != nil {
				test.before(s)
			}
			s.setRules(true, rule)
			if test.after != nil {
				test.after(s)
			}
			p := keep.Passing{Rule: rule, From: want.Addr("172.16.0.2"), To: want.Addr("10.10.2.100"), Out: "eth1", Echo: true}
			want.Same(t, "of the gateway itself", told(s.translations(p)), test.own)
			p.In, p.Echo = "gre1", false
			want.Same(t, "forwarded", told(s.translations(p)), test.forwarded)
			want.Same(t, "the LAN sees", s.gw.talk("172.16.0.2:0", lanServer).seenWithin(5*time.Second), test.seen)
			want.Same(t, "the LAN sees of the far end", s.far.talk("172.16.0.1:0", lanServer).seenWithin(5*time.Second), test.seenFar)
			p.In = ""
			if got := s.translations(p).Sources; !slices.Equal(got, []netip.Addr{want.Addr(test.seen)}) {
				t.Errorf("tracked: %v, want %s", got, test.seen)
			}
		})
	}
}

// A table that an older nmgre has made, whose chain has the usual priority: its rules are there and
// are counted, another chain that was loaded later takes the packets, and setting the same rules
// moves the chain. Connections that the other chain has taken begin again.
func TestOlderChain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.echo(lanServer)
	for _, a := range []string{"10.10.2.3", "10.10.2.7"} {
		s.gw.IP("addr add " + a + "/24 dev eth1")
	}
	rule := snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.3")
	s.gw.nft(func(c *nftables.Conn) {
		older := snat4.kernel(c.AddTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4}))
		older.Priority = nftables.ChainPriorityNATSource
		own := rulesOf(rule)[0]
		c.AddRule(&nftables.Rule{Table: older.Table, Chain: c.AddChain(older), Exprs: own.exprs, UserData: userdata.AppendString(nil, userdata.TypeComment, own.comment)})
	})
	if got := s.missing(rule); len(got) > 0 {
		t.Error("its rule is called missing")
	}
	first := s.gw.talk("172.16.0.2:1000", lanServer)
	want.Same(t, "alone", first.seenWithin(5*time.Second), "10.10.2.3")
	s.others("a", 100, snatTo("10.10.2.7")...)
	later := s.gw.talk("172.16.0.2:1001", lanServer)
	want.Same(t, "beside one that was loaded later", later.seenWithin(5*time.Second), "10.10.2.7")
	p := keep.Passing{Rule: rule, From: want.Addr("172.16.0.2"), To: want.Addr("10.10.2.100"), Out: "eth1"}
	found := s.translations(p)
	want.Same(t, "told", told(found), "a post to 10.10.2.7")
	if len(found.Others) == 1 {
		want.Same(t, "hint", found.Others[0].Hint, "sudo nmgre up gre1")
	}
	s.setRules(true, rule)
	s.setRules(false, rule)
	want.Same(t, "told after the move", told(s.translations(p)), "")
	for _, c := range []struct {
		name string
		talk talk
	}{{"the older connection", first}, {"the one that the other had", later}, {"a new one", s.gw.talk("172.16.0.2:1002", lanServer)}} {
		want.Same(t, c.name+" after the move", c.talk.seenWithin(5*time.Second), "10.10.2.3")
	}
	if got := s.missing(rule); len(got) > 0 {
		t.Error("its rule is missing after the move")
	}
}

// The counter of a rule grows with the connections that it takes. It is 0 where there is no rule.
func TestRuleCounters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.lan.echo(lanServer)
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), snatRule(t, "172.16.0.0/30", "10.10.3.0/24=10.10.2.1"), {UUID: uuid, Dev: "gre1", ClampMSS: true}}
	counters := func() (list []uint64) {
		if err := s.gw.Do(func() (err error) { list, err = s.g.RuleCounters(context.Background(), rules); return err }); err != nil {
			t.Error(err)
		}
		return list
	}
	if got := counters(); !slices.Equal(got, []uint64{0, 0, 0}) {
		t.Errorf("without rules: %v", got)
	}
	s.setRules(true, rules...)
	for i := range uint64(3) {
		if got := counters(); !slices.Equal(got, []uint64{i, 0, 0}) {
			t.Errorf("after %d connections: %v", i, got)
		}
		want.Same(t, "the LAN sees", s.gw.talk("172.16.0.2:0", lanServer).seenWithin(5*time.Second), "10.10.2.1")
	}
	if got := s.missing(rules...); len(got) > 0 {
		t.Errorf("missing: %v", got)
	}
}

// A host without nftables' rules has none in the way, and only root may look.
func TestTranslationsNotPermitted(t *testing.T) {
	t.Parallel()
	s, ctx := newSite(t), context.Background()
	rule := snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1")
	_ = s.gw.Do(func() error {
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return nil
		}
		_, err := s.g.Translations(ctx, keep.Passing{Rule: rule, From: want.Addr("172.16.0.2"), To: want.Addr("10.10.2.100"), Out: "eth1"})
		_, err2 := s.g.RuleCounters(ctx, []keep.Rule{rule})
		for _, err := range []error{err, err2} {
			if !errors.Is(err, fault.ErrNotPermitted) {
				t.Error(err)
			}
		}
		return nil
	})
}
