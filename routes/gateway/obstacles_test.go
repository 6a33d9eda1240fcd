package gateway

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/keep"
)

// load sends the kernel the messages that nft or iptables sent for a file in testdata/firewalls.
// record.sh there has recorded them.
func (ns *namespace) load(name string) {
	ns.T.Helper()
	batch, err := os.ReadFile(filepath.Join("testdata/firewalls", name+".batch"))
	if err != nil {
		ns.T.Fatal(err)
	}
	for len(batch) > 0 {
		end := endOfBatch(batch)
		if err := ns.Do(func() error { return sendBatch(batch[:end]) }); err != nil {
			ns.T.Fatalf("%s: %v", name, err)
		}
		batch = batch[end:]
	}
}

// endOfBatch returns the size of the first of several batches. iptables sends one a table.
func endOfBatch(messages []byte) int {
	at := 0
	for at+20 <= len(messages) && (at == 0 || binary.LittleEndian.Uint16(messages[at+4:]) != unix.NFNL_MSG_BATCH_BEGIN) {
		at += int(binary.LittleEndian.Uint32(messages[at:])+3) &^ 3
	}
	return min(at, len(messages))
}

// sendBatch sends a recorded batch. Its first message names the generation of the rules that it is
// for. The one that is sent names none.
func sendBatch(batch []byte) error {
	rest := batch[binary.LittleEndian.Uint32(batch):]
	begin := []byte{20, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, unix.NFNL_SUBSYS_NFTABLES}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, append(begin, rest...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return firstError(fd)
}

// firstError reads the answers, which have all come by now, and returns the first error.
func firstError(fd int) error {
	for buffer := make([]byte, 64<<10); ; {
		n, _, err := unix.Recvfrom(fd, buffer, unix.MSG_DONTWAIT)
		if err != nil {
			return nil
		}
		if n >= 20 && binary.LittleEndian.Uint16(buffer[4:]) == unix.NLMSG_ERROR {
			if errno := int32(binary.LittleEndian.Uint32(buffer[16:])); errno != 0 {
				return unix.Errno(-errno)
			}
		}
	}
}

// arrives reports whether a datagram that begins a connection gets from one host to another. It
// does not wait for an answer. If the datagram is expected, it may take some time.
func arrives(from, to *namespace, source, destination string, expected bool) bool {
	to.T.Helper()
	var server net.PacketConn
	if err := to.Do(func() (err error) { server, err = net.ListenPacket("udp", destination+":0"); return err }); err != nil {
		to.T.Fatal(err)
	}
	defer server.Close()
	t := from.talk(source+":0", server.LocalAddr().String())
	defer t.conn.Close()
	tries := 1
	if expected {
		tries = 50
	}
	for range tries {
		_, _ = t.conn.Write([]byte("?"))
		_ = server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, client, err := server.ReadFrom(make([]byte, 10)); err == nil && n == 1 {
			return strings.HasPrefix(client.String(), source+":")
		}
	}
	return false
}

// newRoutedSite makes a site where lan has a route back, and waits until both ends answer.
func newRoutedSite(t testing.TB) site {
	t.Helper()
	s := newSite(t)
	s.lan.IP("route add 172.16.0.0/30 via 10.10.2.1")
	s.passes(true, true)
	return s
}

// passes checks whether connections to and from the LAN get through.
func (s site) passes(in, out bool) {
	s.gw.T.Helper()
	if got := arrives(s.far, s.lan, "172.16.0.1", "10.10.2.100", in); got != in {
		s.gw.T.Errorf("to the LAN packets get through: %v", got)
	}
	if got := arrives(s.lan, s.far, "10.10.2.100", "172.16.0.1", out); got != out {
		s.gw.T.Errorf("from the LAN packets get through: %v", got)
	}
}

func (s site) obstacles(devs ...string) []keep.Obstacle {
	s.gw.T.Helper()
	var list []keep.Obstacle
	err := s.gw.Do(func() (err error) { list, err = s.g.Obstacles(context.Background(), devs); return err })
	if err != nil {
		s.gw.T.Error(err)
	}
	return list
}

const both = " packets forwarded between gre1 and eth1"

// TestObstacles loads rules of real firewalls, and checks Obstacles with real packets. After the
// hints are carried out, the packets get through, and Obstacles returns nothing.
func TestObstacles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		what, hint string // "" if nothing is in the way
		in, out    bool   // which direction still gets through
		mend       func(c *nftables.Conn)
	}{
		"firewalld-zones": {"firewalld drops" + both + ": gre1 is in its zone public, eth1 is in its zone internal",
			"sudo firewall-cmd --permanent --zone=internal --change-interface=gre1; sudo firewall-cmd --permanent --zone=internal --add-forward; sudo firewall-cmd --reload", false, false, nil},
		"firewalld-dispatch": {"firewalld drops" + both + ": gre1 is in its zone home, eth1 is in its zone public",
			"sudo firewall-cmd --permanent --zone=public --change-interface=gre1; sudo firewall-cmd --permanent --zone=public --add-forward; sudo firewall-cmd --reload", false, false, nil},
		"firewalld-one-zone-closed": {"firewalld drops" + both + ": gre1 is in its zone internal, eth1 is in its zone internal", "sudo firewall-cmd --permanent --zone=internal --add-forward; sudo firewall-cmd --reload", false, false, nil},
		"firewalld-one-zone":        {"", "", true, true, nil},
		"firewalld-policy": {"firewalld drops packets forwarded from eth1 to gre1: gre1 is in its zone public, eth1 is in its zone internal",
			"sudo firewall-cmd --permanent --zone=internal --change-interface=gre1; sudo firewall-cmd --permanent --zone=internal --add-forward; sudo firewall-cmd --reload", true, false, nil},
		"docker": {"Docker drops" + both,
			"sudo iptables -I DOCKER-USER -i gre1 -o eth1 -j ACCEPT; sudo iptables -I DOCKER-USER -i eth1 -o gre1 -j ACCEPT  # until the next boot", false, false,
			accept(nftables.TableFamilyIPv4, "filter", "DOCKER-USER")},
		"docker-open": {"", "", true, true, nil},
		"docker-user": {"", "", true, true, nil},
		"ufw": {"ufw drops" + both + ", unless one of its more specific rules accepts them",
			"sudo ufw route allow in on gre1 out on eth1; sudo ufw route allow in on eth1 out on gre1", false, false,
			accept(nftables.TableFamilyIPv4, "filter", "ufw-user-forward")},
		"iptables-reject": {"iptables drops packets forwarded from gre1 to eth1", "sudo iptables -I FORWARD -i gre1 -o eth1 -j ACCEPT  # until the next boot", false, true,
			accept(nftables.TableFamilyIPv4, "filter", "FORWARD")},
		"nftables-drop": {"the chain forward of the nftables table inet filter drops" + both,
			`sudo nft 'insert rule inet filter forward iifname "gre1" oifname "eth1" accept'; sudo nft 'insert rule inet filter forward iifname "eth1" oifname "gre1" accept'  # until the next boot`, false, false,
			accept(nftables.TableFamilyINet, "filter", "forward")},
		"nftables-state": {"the chain forward of the nftables table inet filter drops packets forwarded from gre1 to eth1, unless one of its more specific rules accepts them",
			`sudo nft 'insert rule inet filter forward iifname "gre1" oifname "eth1" accept'  # until the next boot`, false, true, accept(nftables.TableFamilyINet, "filter", "forward")},
		"nftables-accepting": {"", "", true, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newRoutedSite(t)
			s.gw.load(name)
			var want []keep.Obstacle
			if test.what != "" {
				want = []keep.Obstacle{{What: test.what, Hint: test.hint, Apart: strings.Contains(test.what, both) && !strings.Contains(test.what, "unless")}}
			}
			if got := s.obstacles("gre1", "eth1"); !slices.Equal(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			s.passes(test.in, test.out)
			if test.mend == nil {
				return
			}
			s.gw.nft(test.mend)
			if got := s.obstacles("gre1", "eth1"); len(got) > 0 {
				t.Errorf("afterwards: %+v", got)
			}
			s.passes(true, true)
		})
	}
}

// accept carries out the hints with the library: it adds the rules that nft and iptables would add.
func accept(family nftables.TableFamily, table, chain string) func(c *nftables.Conn) {
	return func(c *nftables.Conn) {
		t := &nftables.Table{Name: table, Family: family}
		for _, way := range [][2]string{{"gre1", "eth1"}, {"eth1", "gre1"}} {
			exprs := append(matchDevice(expr.MetaKeyIIFNAME, expr.CmpOpEq, way[0]), matchDevice(expr.MetaKeyOIFNAME, expr.CmpOpEq, way[1])...)
			c.InsertRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: chain, Table: t}, Exprs: append(exprs, &expr.Verdict{Kind: expr.VerdictAccept})})
		}
	}
}

// TestObstaclesSeveral has several firewalls, devices and families at once.
func TestObstaclesSeveral(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	s.gw.load("nftables-two")
	want := []keep.Obstacle{
		{What: "the chain forward of the nftables table ip filter drops packets forwarded from gre1 to eth1 and from eth2 to gre1",
			Hint: `sudo nft 'insert rule ip filter forward iifname "gre1" oifname "eth1" accept'; sudo nft 'insert rule ip filter forward iifname "eth2" oifname "gre1" accept'  # until the next boot`},
		{What: "the chain forward of the nftables table inet late drops packets forwarded from gre1 to eth1",
			Hint: `sudo nft 'insert rule inet late forward iifname "gre1" oifname "eth1" accept'  # until the next boot`},
	}
	if got := s.obstacles("gre1", "eth1", "eth2"); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, devs := range [][]string{nil, {"gre1"}} { // nothing is forwarded
		if got := s.obstacles(devs...); len(got) > 0 {
			t.Errorf("%+v: %+v", devs, got)
		}
	}
}

// IPv6 counts only where this host forwards it.
func TestObstaclesIPv6(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	s.gw.nft(func(c *nftables.Conn) {
		drop := nftables.ChainPolicyDrop
		table := c.AddTable(&nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv6})
		c.AddChain(&nftables.Chain{Name: "FORWARD", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &drop})
	})
	want := []keep.Obstacle{{What: "ip6tables drops" + both, Hint: "sudo ip6tables -I FORWARD -i gre1 -o eth1 -j ACCEPT; sudo ip6tables -I FORWARD -i eth1 -o gre1 -j ACCEPT  # until the next boot", Apart: true}}
	if got := s.obstacles("gre1", "eth1"); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	s.gw.IP("addr del fd00:16::2/64 dev gre1") // a tunnel for IPv4
	if got := s.obstacles("gre1", "eth1"); len(got) > 0 {
		t.Errorf("%+v", got)
	}
	s.gw.IP("addr add fd00:16::2/64 dev gre1 nodad")
	s.gw.Sysctl("net/ipv6/conf/all/forwarding", "0")
	if got := s.obstacles("gre1", "eth1"); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

// TestWalk sends a packet from gre1 to eth1 through rules in a chain that drops.
func TestWalk(t *testing.T) {
	in := func(op expr.CmpOp, dev string) []expr.Any { return matchDevice(expr.MetaKeyIIFNAME, op, dev) }
	number := func(key expr.MetaKey, n uint32) []expr.Any {
		return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Register: 1, Data: nativeUint32(n)}}
	}
	do := func(kind expr.VerdictKind, chain ...string) expr.Any {
		return &expr.Verdict{Kind: kind, Chain: strings.Join(chain, "")}
	}
	accepts, returns := do(expr.VerdictAccept), do(expr.VerdictReturn)
	state := func(mask uint32, op expr.CmpOp) []expr.Any {
		return []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: nativeUint32(mask), Xor: make([]byte, 4)},
			&expr.Cmp{Op: op, Register: 1, Data: make([]byte, 4)}}
	}
	address := []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}, &expr.Cmp{Register: 1, Data: []byte{10, 0, 0, 1}}}
	with := func(parts ...any) []expr.Any {
		var list []expr.Any
		for _, part := range parts {
			switch part := part.(type) {
			case []expr.Any:
				list = append(list, part...)
			case expr.Any:
				list = append(list, part)
			}
		}
		return list
	}
	chains := map[string][][]expr.Any{
		"accepts": {with(accepts)}, "returns": {with(returns), with(accepts)}, "drops": {with(do(expr.VerdictDrop))}, "empty": nil,
		"loop": {with(do(expr.VerdictJump, "loop"))},
	}
	for i, test := range []struct {
		rules   [][]expr.Any
		want    fate
		perhaps bool
	}{
		{nil, undecided, false},
		{[][]expr.Any{with(accepts)}, accepted, false},
		{[][]expr.Any{with(&expr.Counter{}, &expr.Log{}, accepts)}, accepted, false},
		{[][]expr.Any{with(returns), with(accepts)}, undecided, false},
		{[][]expr.Any{with(in(expr.CmpOpEq, "gre1"), accepts)}, accepted, false},
		{[][]expr.Any{with(in(expr.CmpOpEq, "gre10"), accepts)}, undecided, false},
		{[][]expr.Any{with(in(expr.CmpOpNeq, "gre1"), accepts)}, undecided, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Register: 1, Data: []byte("gre")}, accepts)}, accepted, false},
		{[][]expr.Any{with(number(expr.MetaKeyIIF, 3), number(expr.MetaKeyOIF, 4), accepts)}, accepted, false},
		{[][]expr.Any{with(number(expr.MetaKeyIIF, 4), accepts)}, undecided, false},
		{[][]expr.Any{with(number(expr.MetaKeyMARK, 4), accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{unix.NFPROTO_IPV6}}, do(expr.VerdictDrop)), with(accepts)}, accepted, false},
		// established, related
		{[][]expr.Any{with(state(2|4, expr.CmpOpNeq), accepts)}, undecided, false},
		// new
		{[][]expr.Any{with(state(2|8, expr.CmpOpNeq), accepts)}, accepted, false},
		// invalid
		{[][]expr.Any{with(state(1, expr.CmpOpNeq), do(expr.VerdictDrop))}, undecided, false},
		{[][]expr.Any{with(address, accepts)}, undecided, true},
		{[][]expr.Any{with(address, do(expr.VerdictDrop)), with(accepts)}, accepted, false},
		// it does not match, whatever the address is
		{[][]expr.Any{with(in(expr.CmpOpNeq, "gre1"), address, accepts)}, undecided, false},
		{[][]expr.Any{with(address, in(expr.CmpOpNeq, "gre1"), accepts)}, undecided, false},
		{[][]expr.Any{with(&expr.Limit{}, accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Match{Name: "comment"}, accepts)}, accepted, false},
		{[][]expr.Any{with(&expr.Match{Name: "addrtype"}, accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Reject{}), with(accepts)}, dropped, false},
		{[][]expr.Any{with(&expr.Target{Name: "REJECT"}), with(accepts)}, dropped, false},
		{[][]expr.Any{with(&expr.Target{Name: "LOG"}), with(accepts)}, accepted, false},
		{[][]expr.Any{with(do(expr.VerdictJump, "returns")), with(accepts)}, accepted, false},
		{[][]expr.Any{with(do(expr.VerdictGoto, "returns")), with(accepts)}, undecided, false},
		{[][]expr.Any{with(do(expr.VerdictGoto, "empty")), with(accepts)}, undecided, false},
		{[][]expr.Any{with(do(expr.VerdictJump, "drops")), with(accepts)}, dropped, false},
		{[][]expr.Any{with(do(expr.VerdictJump, "gone")), with(accepts)}, accepted, false},
		{[][]expr.Any{with(address, do(expr.VerdictJump, "accepts"))}, undecided, true},
		{[][]expr.Any{with(address, returns), with(accepts)}, accepted, false},
		{[][]expr.Any{with(do(expr.VerdictQueue)), with(accepts)}, accepted, true},
		// the kernel takes none
		{[][]expr.Any{with(do(expr.VerdictJump, "loop")), with(accepts)}, accepted, false},
		// something unknown was loaded
		{[][]expr.Any{with(in(expr.CmpOpEq, "gre1"), &expr.Cmp{Register: 1, Data: []byte("x")}, accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: "ours"}, accepts)}, accepted, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: "ours", Invert: true}, accepts)}, undecided, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: "ours"}, accepts)}, undecided, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: "unknown"}, accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: "ours"}, accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: "map", IsDestRegSet: true})}, accepted, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: "map", IsDestRegSet: true})}, undecided, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 2}, &expr.Lookup{SourceRegister: 1, SetName: "pairs"}, accepts)}, accepted, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 2}, &expr.Lookup{SourceRegister: 1, SetName: "pairs"}, accepts)}, undecided, false},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 99}, &expr.Cmp{Register: 99, Data: []byte("gre")}, accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Mask: make([]byte, 100)}, &expr.Cmp{Register: 1}, accepts)}, undecided, true},
		{[][]expr.Any{with(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 4}, &expr.Meta{Key: expr.MetaKeyMARK, Register: 4, SourceRegister: true}, &expr.Cmp{Register: 4, Data: deviceName("gre1")}, accepts)}, accepted, false},
	} {
		w := walk{packet: packet{"gre1", "eth1", 3, 4, nftables.TableFamilyIPv4}}
		w.rulesOf = func(name string) (list []*nftables.Rule) {
			rules := chains[name]
			if name == "base" {
				rules = test.rules
			}
			for _, exprs := range rules {
				list = append(list, &nftables.Rule{Exprs: exprs})
			}
			return list
		}
		w.inSet = func(set string, key []byte) (*expr.Verdict, answer) {
			want := map[string]string{"ours": string(deviceName("gre1")), "map": string(deviceName("gre1")), "pairs": string(deviceName("gre1")) + string(deviceName("eth1"))}[set]
			switch {
			case want == "":
				return nil, unsure
			case string(key) == want:
				return &expr.Verdict{Kind: expr.VerdictAccept}, yes
			}
			return nil, no
		}
		if got := w.chain("base", 0); got != test.want || w.perhaps != test.perhaps {
			t.Errorf("%d: got %v, perhaps %v; want %v, %v", i, got, w.perhaps, test.want, test.perhaps)
		}
	}
}

// BenchmarkObstacles measures a host with many rules of others.
func BenchmarkObstacles(b *testing.B) {
	s := newSite(b)
	s.gw.load("ufw")
	s.gw.nft(func(c *nftables.Conn) {
		t := &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}
		for i := range 1000 {
			exprs := append(matchDevice(expr.MetaKeyIIFNAME, expr.CmpOpEq, fmt.Sprint("br", i)), &expr.Verdict{Kind: expr.VerdictAccept})
			c.AddRule(&nftables.Rule{Table: t, Chain: &nftables.Chain{Name: "FORWARD", Table: t}, Exprs: exprs})
		}
	})
	for b.Loop() {
		s.obstacles("gre1", "eth1")
	}
}
