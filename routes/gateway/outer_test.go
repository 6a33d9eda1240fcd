package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/conntrack"
	"nmgre/routes/keep"
	"nmgre/testdata/want"
)

// crossing is this host, gw, and the far end of a tunnel. Packets of GRE are made by hand, since
// not every kernel has tunnels.
//
//	gw wan0 192.0.2.1/24 --- wan0 192.0.2.2/24 far
//	   2001:db8::1/64             2001:db8::2/64
//
// gw has 198.51.100.1 on its loopback device, too, and 192.0.2.7, 192.0.2.8 and 192.0.2.11 on wan0.
type crossing struct {
	gw, far *namespace
	g       *Gateway
}

func newCrossing(t testing.TB) crossing {
	t.Helper()
	c := crossing{newNamespace(t), newNamespace(t), New()}
	c.gw.IP("link add wan0 type veth peer name wan0 netns " + strconv.Itoa(c.far.Thread))
	c.gw.IP("link set dev wan0 up", "addr add 192.0.2.1/24 dev wan0", "addr add 192.0.2.11/24 dev wan0", "addr add 192.0.2.7/24 dev wan0", "addr add 192.0.2.8/24 dev wan0", "addr add 2001:db8::1/64 dev wan0 nodad", "addr add 2001:db8::7/64 dev wan0 nodad", "addr add 198.51.100.1/32 dev lo")
	c.far.IP("link set dev wan0 up", "addr add 192.0.2.2/24 dev wan0", "addr add 2001:db8::2/64 dev wan0 nodad", "route add 198.51.100.1 via 192.0.2.1")
	c.gw.Carries("wan0")
	c.far.Carries("wan0")
	return c
}

// outerOf returns the packets between the far end and an address of gw.
func outerOf(local string) keep.OuterPackets {
	p := keep.OuterPackets{Local: netip.MustParseAddr(local), Remote: netip.MustParseAddr("192.0.2.2"), Dev: "wan0", Tunnel: "gre1"}
	if p.Local.Is6() {
		p.Remote = netip.MustParseAddr("2001:db8::2")
	}
	return p
}

func (c crossing) rules(p keep.OuterPackets) keep.OuterRules {
	c.gw.T.Helper()
	var r keep.OuterRules
	if err := c.gw.Do(func() (err error) { r, err = c.g.OuterRules(context.Background(), p); return err }); err != nil {
		c.gw.T.Error(err)
	}
	return r
}

// greSocket opens a socket that receives GRE behind the firewall, and sends it.
func (ns *namespace) greSocket(address netip.Addr) (fd int) {
	ns.T.Helper()
	err := ns.Do(func() (err error) {
		fd, err = unix.Socket(familyOf(address), unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_GRE)
		if err != nil {
			return err
		}
		return unix.Bind(fd, socketAddress(address))
	})
	if err != nil {
		ns.T.Fatal(err)
	}
	return fd
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func socketAddress(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Addr: a.As16()}
}

// crosses sends a GRE packet up to so many times, and returns the address that it arrives from; the
// zero Addr if it does not arrive.
func crosses(from, to *namespace, source, destination netip.Addr, tries int) netip.Addr {
	to.T.Helper()
	any4 := netip.IPv4Unspecified()
	if source.Is6() {
		any4 = netip.IPv6Unspecified()
	}
	sender, receiver := from.greSocket(source), to.greSocket(any4)
	defer unix.Close(sender)
	defer unix.Close(receiver)
	packet := []byte{0, 0, 8, 0} // the header of GRE, with IPv4 in it
	packet = binary.BigEndian.AppendUint64(packet, uint64(time.Now().UnixNano()))
	for range tries {
		_ = unix.Sendto(sender, packet, 0, socketAddress(destination))
		if a := receives(receiver, packet); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

// receives waits for a packet, and returns its source.
func receives(fd int, packet []byte) netip.Addr {
	buffer := make([]byte, 200)
	for end := time.Now().Add(40 * time.Millisecond); time.Now().Before(end); {
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 40_000})
		n, from, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil || !strings.HasSuffix(string(buffer[:n]), string(packet)) {
			continue
		}
		switch from := from.(type) {
		case *unix.SockaddrInet4:
			return netip.AddrFrom4(from.Addr)
		case *unix.SockaddrInet6:
			return netip.AddrFrom16(from.Addr)
		}
	}
	return netip.Addr{}
}

// forget empties the connection tracking table of gw.
func (c crossing) forget() {
	c.gw.T.Helper()
	err := c.gw.Do(func() error {
		for _, family := range []chain{snat4, snat6} {
			list, err := conntrack.Flows(uint8(family.family), func(conntrack.Flow) bool { return true })
			if err != nil && !conntrack.Untracked(err) {
				return err
			}
			for _, f := range list {
				if err := f.Drop(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		c.gw.T.Fatal(err)
	}
}

// passing is which packets get through. Later ones belong to a connection that the other end has
// begun; they are not sent if that end's do not get through.
type passing struct {
	in, laterIn, out, laterOut bool
	source                     netip.Addr // of those that leave
}

// passingBy derives from the rules that are told which packets get through, if those that are
// perhaps in the way are, or are not.
func passingBy(r keep.OuterRules, p keep.OuterPackets, perhaps bool) passing {
	result := passing{true, true, true, true, p.Local}
	for _, o := range r.Obstacles {
		switch {
		case o.Perhaps && !perhaps:
		case o.Out:
			result.out, result.laterOut = false, result.laterOut && o.OnlyNew
		default:
			result.in, result.laterIn = false, result.laterIn && o.OnlyNew
		}
	}
	for i, o := range r.Rewrites {
		first := slices.IndexFunc(r.Rewrites, func(e keep.OuterRewrite) bool { return e.Out == o.Out }) == i
		switch {
		case o.Perhaps && !perhaps || !first:
		case o.Out:
			result.source = o.To
		default:
			result.in = false
		}
	}
	return result
}

// triesFor is how often a packet is sent that gets through by one of the two, or by both: on a busy
// machine it may take some time. One that does not get through by either is sent once.
func triesFor(want, other bool) int {
	switch {
	case want && other:
		return 75
	case want || other:
		return 15
	}
	return 1
}

// send finds which packets get through. It does not wait for those that do not by want or by other.
func (c crossing) send(p keep.OuterPackets, want, other passing) passing {
	c.gw.T.Helper()
	got := want
	c.forget()
	got.in = crosses(c.far, c.gw, p.Remote, p.Local, triesFor(want.in, other.in)).IsValid()
	if got.in {
		got.laterOut = crosses(c.gw, c.far, p.Local, p.Remote, triesFor(want.laterOut, other.laterOut)).IsValid()
	}
	c.forget()
	source := crosses(c.gw, c.far, p.Local, p.Remote, triesFor(want.out, other.out))
	if got.out = source.IsValid(); got.out {
		got.source = source
		got.laterIn = crosses(c.far, c.gw, p.Remote, source, triesFor(want.laterIn, other.laterIn)).IsValid()
	}
	return got
}

// printed prints rules for a golden file.
func printed(r keep.OuterRules) string {
	var b strings.Builder
	ruling := func(kind string, r keep.Ruling, more ...string) {
		fmt.Fprintf(&b, "%s %s\n\t%s\n\thint: %s\n\t%s, %s %s, base %s in %s, chain %s", kind, strings.Join(more, " "), r.What, r.Hint, r.Program, r.Family, r.Table, r.Base, r.Hook, r.Chain)
		if r.Handle != 0 {
			b.WriteString(", by a rule")
		}
		if r.Zone != "" {
			b.WriteString(", zone " + r.Zone)
		}
		if r.Perhaps {
			b.WriteString(", perhaps")
		}
		b.WriteString("\n")
	}
	direction := map[bool]string{false: "in", true: "out"}
	for _, o := range r.Obstacles {
		ruling("drops", o.Ruling, direction[o.Out], map[bool]string{false: "all", true: "new"}[o.OnlyNew])
	}
	for _, o := range r.Rewrites {
		ruling("rewrites", o.Ruling, direction[o.Out], "to", o.To.String())
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

// TestOuterRules loads rules, of real firewalls and others, and compares the report on them with a
// golden file. Packets prove it: those get through that are not reported to be dropped, with the
// source that is reported.
func TestOuterRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/outer/*.batch")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	files = append(files, "testdata/firewalls/ufw.batch", "testdata/firewalls/docker.batch")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".batch")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := outerOf(localOf(name))
			c := newCrossing(t)
			c.gw.load("../" + strings.TrimPrefix(strings.TrimSuffix(file, ".batch"), "testdata/"))
			told := c.rules(p)
			want.Golden(t, "outer/"+name+".told", printed(told))
			sure, perhaps := passingBy(told, p, false), passingBy(told, p, true)
			got := c.send(p, sure, perhaps)
			if !perhaps.source.IsValid() { // it is told that it is not known
				perhaps.source = got.source
			}
			if got != sure && got != perhaps {
				t.Errorf("told  %v or %v\nfound %v", sure, perhaps, got)
			}
		})
	}
}

// localOf returns the local address for a file of rules.
func localOf(name string) string {
	switch {
	case strings.Contains(name, "6"):
		return "2001:db8::1"
	case strings.HasPrefix(name, "nat-"), slices.Contains([]string{"kubernetes", "libvirt", "iptables-masquerade", "iptables-policy", "iptables-identity", "firewalld-external"}, name):
		return "198.51.100.1"
	}
	return "192.0.2.1"
}

// After the hints are carried out with the library, as nft and iptables would, nothing is told any
// more, and the packets get through.
func TestOuterHints(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"both", "in-drop", "in-state", "in-late", "in-raw", "in-map", "in-untracked", "out-drop", "out-state", "out-late", "in6", "nat-masquerade", "nat-two",
		"iptables-state", "iptables-reject", "iptables-mangle", "iptables-masquerade"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := outerOf(localOf(name))
			c := newCrossing(t)
			c.gw.load("../outer/" + name)
			told := c.rules(p)
			for _, o := range told.Obstacles {
				c.carryOut(p, o.Ruling, o.Out)
			}
			for _, o := range told.Rewrites {
				c.carryOut(p, o.Ruling, o.Out)
			}
			if again := c.rules(p); len(told.Obstacles)+len(told.Rewrites) == 0 || len(again.Obstacles)+len(again.Rewrites) > 0 {
				t.Errorf("told\n%sand afterwards\n%s", printed(told), printed(again))
			}
			want := passing{true, true, true, true, p.Local}
			if got := c.send(p, want, want); got != want {
				t.Errorf("found %v", got)
			}
		})
	}
}

// carryOut inserts the rule of a hint, which names the chain and the far end.
func (c crossing) carryOut(p keep.OuterPackets, r keep.Ruling, out bool) {
	c.gw.T.Helper()
	if !strings.Contains(r.Hint, r.Base) || !strings.Contains(r.Hint, p.Remote.String()) || !strings.Contains(r.Hint, "47") {
		c.gw.T.Errorf("hint: %s", r.Hint)
	}
	c.gw.nft(func(conn *nftables.Conn) {
		h, family, nfproto := headerOf(snat4), nftables.TableFamilyIPv4, byte(unix.NFPROTO_IPV4)
		if p.Remote.Is6() {
			h, family, nfproto = headerOf(snat6), nftables.TableFamilyIPv6, unix.NFPROTO_IPV6
		}
		if r.Family == "inet" {
			family = nftables.TableFamilyINet
		}
		at := h.source
		if out {
			at = h.destination
		}
		exprs := []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{nfproto}}}
		exprs = append(exprs, matchPrefix(at, netip.PrefixFrom(p.Remote, p.Remote.BitLen()))...)
		exprs = append(exprs, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{unix.IPPROTO_GRE}}, &expr.Verdict{Kind: expr.VerdictAccept})
		t := &nftables.Table{Name: r.Table, Family: family}
		conn.InsertRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: r.Base, Table: t}, Exprs: exprs})
	})
}

// Where the device, the local address or the tunnel is not known, rules that ask for it are only
// perhaps in the way, and others surely.
func TestOuterRulesUnknown(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	c.gw.load("../outer/in-open-device")
	p := outerOf("192.0.2.1")
	p.Dev = ""
	if r := c.rules(p); len(r.Obstacles) != 1 || !r.Obstacles[0].Perhaps || r.Obstacles[0].Out {
		t.Errorf("without a device\n%s", printed(r))
	}
	c = newCrossing(t)
	c.gw.load("../outer/in-open-prefix")
	for _, unknown := range []netip.Addr{{}, netip.IPv4Unspecified()} {
		p = outerOf("192.0.2.1")
		p.Local = unknown
		if r := c.rules(p); len(r.Obstacles) != 1 || !r.Obstacles[0].Perhaps {
			t.Errorf("without a local address\n%s", printed(r))
		}
	}
	c = newCrossing(t)
	c.gw.load("../outer/in-state")
	p = keep.OuterPackets{Remote: netip.MustParseAddr("192.0.2.2")}
	if r := c.rules(p); len(r.Obstacles) != 1 || !r.Obstacles[0].OnlyNew {
		t.Errorf("without either\n%s", printed(r))
	}
}

// Masquerading that takes the address which the packets have anyway changes nothing.
func TestOuterRulesMasquerade(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	c.gw.load("../outer/nat-masquerade")
	for local, changes := range map[string]bool{"192.0.2.1": false, "192.0.2.11": true, "198.51.100.1": true} {
		p := outerOf(local)
		told := c.rules(p)
		if (len(told.Rewrites) == 1) != changes {
			t.Errorf("%s:\n%s", local, printed(told))
		}
		want := passingBy(told, p, false)
		if got := c.send(p, want, want); got != want || want.source != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("%s: told %v, found %v", local, want, got)
		}
	}
}

// The kernel carries out the first NAT rule, and the hint for firewalld makes one in front of
// firewalld's that leaves the source as it is.
func TestOuterRulesFirewalldNAT(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	p := outerOf("198.51.100.1")
	c.gw.load("../outer/firewalld-external")
	if r := c.rules(p); len(r.Rewrites) != 1 || !strings.Contains(r.Rewrites[0].Hint, " ipv4 nat POSTROUTING 0 -d 192.0.2.2 -p 47 -j SNAT --to-source 198.51.100.1;") {
		t.Errorf("with firewalld\n%s", printed(r))
	}
	c.gw.load("../outer/iptables-identity")
	if r := c.rules(p); len(r.Rewrites)+len(r.Obstacles) > 0 {
		t.Errorf("with both\n%s", printed(r))
	}
	want := passing{true, true, true, true, p.Local}
	if got := c.send(p, want, want); got != want {
		t.Errorf("found %v", got)
	}
}

// The addresses must be of one family, and there must be a far end.
func TestOuterRulesInvalid(t *testing.T) {
	for _, p := range []keep.OuterPackets{{}, {Local: netip.MustParseAddr("192.0.2.1")}, {Local: netip.MustParseAddr("2001:db8::1"), Remote: netip.MustParseAddr("192.0.2.2")}} {
		if r, err := New().OuterRules(t.Context(), p); !errors.Is(err, fault.ErrInvalid) || len(r.Obstacles) > 0 {
			t.Errorf("%+v: %+v, %v", p, r, err)
		}
	}
}

// Names of others' tables and chains are safe to show, and a hint has none that nft cannot read.
func TestOuterNames(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	drop := nftables.ChainPolicyDrop
	c.gw.nft(func(conn *nftables.Conn) {
		table := conn.AddTable(&nftables.Table{Name: "\x1b[31m;reboot", Family: nftables.TableFamilyINet})
		conn.AddChain(&nftables.Chain{Name: "a\nb$(id)", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter, Policy: &drop})
		table = conn.AddTable(&nftables.Table{Name: "firewalld", Family: nftables.TableFamilyINet})
		base := conn.AddChain(&nftables.Chain{Name: "filter_INPUT", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter, Policy: &drop})
		zone := conn.AddChain(&nftables.Chain{Name: "filter_IN_\x1b';reboot;'", Table: table})
		conn.AddRule(&nftables.Rule{Table: table, Chain: base, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: zone.Name}}})
	})
	r := c.rules(outerOf("192.0.2.1"))
	if len(r.Obstacles) != 2 {
		t.Fatalf("%+v", r)
	}
	for _, o := range r.Obstacles {
		for _, s := range []string{o.What, o.Hint, o.Table, o.Base, o.Chain, o.Zone} {
			if fault.Printable(s) != s {
				t.Errorf("%q", s)
			}
		}
		if strings.Contains(o.Hint, "nft insert") || strings.Contains(o.Hint, "=\x1b") || strings.Contains(o.Hint, " reboot") {
			t.Errorf("hint: %s", o.Hint)
		}
	}
}

// A table of iptables-legacy is told when a program has asked for it. A kernel without them has
// none.
func TestOuterRulesLegacy(t *testing.T) {
	t.Parallel()
	c := newCrossing(t)
	p := outerOf("192.0.2.1")
	if r := c.rules(p); len(r.Obstacles)+len(r.Rewrites) > 0 {
		t.Errorf("before\n%s", printed(r))
	}
	asked := map[string]bool{}
	for _, table := range []string{"filter", "nat"} {
		asked[table] = c.gw.Do(func() error { return askLegacy(table) }) == nil
	}
	want := keep.OuterRules{}
	if asked["filter"] {
		want.Obstacles = []keep.OuterObstacle{{Ruling: keep.Ruling{Program: "iptables-legacy", Family: "ip", Table: "filter", Perhaps: true,
			What: "iptables-legacy has a table filter, whose rules nmgre cannot read", Hint: "sudo iptables-legacy -t filter -S"}}}
	}
	if asked["nat"] {
		want.Rewrites = []keep.OuterRewrite{{Out: true, Ruling: keep.Ruling{Program: "iptables-legacy", Family: "ip", Table: "nat", Perhaps: true,
			What: "iptables-legacy has a table nat, whose rules nmgre cannot read", Hint: "sudo iptables-legacy -t nat -S"}}}
	}
	if r := c.rules(p); !reflect.DeepEqual(r, want) {
		t.Errorf("got\n%swant\n%s", printed(r), printed(want))
	}
}

// askLegacy asks for a table as iptables-legacy does.
func askLegacy(table string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const getInfo = 64 // IPT_SO_GET_INFO, with struct ipt_getinfo
	info := make([]byte, 84)
	copy(info, table)
	size := uint32(len(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_IP, getInfo, uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// A chain that cannot be read may have any rules, for the second packet as for the first.
func TestUnreadableChain(t *testing.T) {
	table := &nftables.Table{Name: "filter", Family: nftables.TableFamilyINet}
	s := survey{rules: map[string]rulesRead{"1 filter ": {nil, unix.EINVAL}}}
	for range 2 {
		w := &walk{}
		if list := s.rulesIn(table, "input", w); len(list) > 0 || !w.perhaps {
			t.Errorf("%v, perhaps %v", list, w.perhaps)
		}
	}
}

// BenchmarkOuterRules measures hosts with different firewalls.
func BenchmarkOuterRules(b *testing.B) {
	for name, files := range map[string][]string{"none": nil, "nft": {"in-state"}, "docker": {"docker-nat", "../firewalls/docker"}, "firewalld": {"firewalld-public"}, "ufw": {"../firewalls/ufw"}} {
		b.Run(name, func(b *testing.B) {
			c := newCrossing(b)
			for _, file := range files {
				c.gw.load("../outer/" + file)
			}
			p := outerOf("192.0.2.1")
			for b.Loop() {
				c.rules(p)
			}
		})
	}
}
