package netlink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/modules"
	"nmgre/testdata/want"
)

// needGRE skips the test outside the lab. Unlike lab.Need it does not reset the lab's hosts, which
// takes seconds: these tests need only the lab's kernel, and make namespaces of their own.
func needGRE(t *testing.T) {
	t.Helper()
	if os.Getenv("NMGRE_LAB") != "1" {
		t.Skip("needs the lab: run make test")
	}
}

// TestLabOtherKernel runs the tests that need no GRE in the lab's kernel, which is an older one.
func TestLabOtherKernel(t *testing.T) {
	needGRE(t)
	for name, test := range map[string]func(t *testing.T){
		"Links": TestLinks, "LinkByName": TestLinkByName, "Lookup": TestLookup, "LookupNowhere": TestLookupNowhere, "RoutesOfOthers": TestRoutesOfOthers,
		"Multipath": TestMultipathOfBothDevices, "WhileChanging": TestWhileChanging,
		"AllRoutes": TestAllRoutes, "Sync": TestSyncRoutes, "SyncRefusesAll": TestSyncRefusesAll, "SyncTriesAgain": TestSyncTriesAgain,
		"SyncInterrupted": TestSyncInterrupted, "SyncLeavesOthers": TestSyncLeavesOthers, "SyncLeavesOthersPaths": TestSyncLeavesOthersPaths,
		"SyncWhenDeviceIsGone": TestSyncWhenDeviceIsGone, "SyncWhenDeviceIsDown": TestSyncWhenDeviceIsDown, "SyncWithoutGap": TestSyncWithoutGap,
		"KernelsDiffer": TestKernelsDiffer, "RoutesTo": TestRoutesTo, "Refusals": TestRefusals, "NotPermitted": TestNotPermitted, "Concurrent": TestConcurrent,
		"Probe": TestProbe, "ProbeNeighbour": TestProbeNeighbour, "ProbeLinkLocal": TestProbeLinkLocal, "ProbeRefused": TestProbeRefused, "ProbeHops": TestProbeHops,
		"ProbeNotPermitted": TestProbeNotPermitted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// TestLabSupports asks the lab's kernel, which supports all modes, loaded or not.
func TestLabSupports(t *testing.T) {
	needGRE(t)
	ns := newNamespace(t)
	for _, m := range gre.Modes {
		if err := ns.kernel.Supports(m); err != nil {
			t.Error(err)
		}
		// The lists of modules alone give the same answer.
		if err := supports(modules.Files{Root: "/"}, m); err != nil {
			t.Error(err)
		}
	}
	// The devices alone, too.
	ns.IP("link add g4 type gre remote 192.0.2.1", "link add g6 type ip6gretap remote 2001:db8::1")
	ns.kernel.files.Root = t.TempDir()
	for _, m := range gre.Modes {
		if err := ns.kernel.Supports(m); err != nil {
			t.Error(err)
		}
	}
}

// greCase is a tunnel in `ip link`'s words, with the link that the kernel should hold.
type greCase struct {
	words string
	want  kernel.GRELink
}

// option is a part of a greCase.
type option struct {
	words string
	set   func(g *kernel.GRELink)
}

var keyOptions = []option{
	{"", func(*kernel.GRELink) {}},
	{"key 0", func(g *kernel.GRELink) { g.InputKey, g.OutputKey = want.Ptr(gre.Key(0)), want.Ptr(gre.Key(0)) }},
	{"key 42", func(g *kernel.GRELink) { g.InputKey, g.OutputKey = want.Ptr(gre.Key(42)), want.Ptr(gre.Key(42)) }},
	{"ikey 1 okey 4294967295", func(g *kernel.GRELink) {
		g.InputKey, g.OutputKey = want.Ptr(gre.Key(1)), want.Ptr(gre.Key(4294967295))
	}},
	{"ikey 7", func(g *kernel.GRELink) { g.InputKey = want.Ptr(gre.Key(7)) }},
	{"okey 0", func(g *kernel.GRELink) { g.OutputKey = want.Ptr(gre.Key(0)) }},
}

var options4 = []option{
	{"", func(*kernel.GRELink) {}},
	{"ttl 64", func(g *kernel.GRELink) { g.TTL = 64 }},
	{"ttl inherit tos inherit", func(g *kernel.GRELink) { g.TOS = 1 }},
	{"ttl 255 tos 0x10", func(g *kernel.GRELink) { g.TTL, g.TOS = 255, 0x10 }},
	{"ttl 64 nopmtudisc", func(g *kernel.GRELink) { g.TTL, g.PMTUD = 64, false }},
	{"nopmtudisc tos 0xff", func(g *kernel.GRELink) { g.TOS, g.PMTUD = 255, false }},
	{"icsum", func(g *kernel.GRELink) { g.Checksum, g.OneWay = true, true }},
	{"oseq", func(g *kernel.GRELink) { g.Sequence, g.OneWay = true, true }},
	{"csum seq dev v0", func(g *kernel.GRELink) { g.Checksum, g.Sequence, g.Parent = true, true, parentIndex }},
}

var options6 = []option{
	{"", func(*kernel.GRELink) {}},
	{"ttl 255 tclass 0x2a", func(g *kernel.GRELink) { g.TTL, g.TOS = 255, 0x2a }},
	{"hoplimit 1 tclass inherit", func(g *kernel.GRELink) { g.TTL, g.Flags = 1, gre.FlagUseOrigTClass }},
	{"encaplimit none", func(g *kernel.GRELink) { g.Flags = gre.FlagIgnEncapLimit }},
	{"encaplimit 0 flowlabel 0x1", func(g *kernel.GRELink) { g.EncapLimit, g.FlowLabel = 0, 1 }},
	{"encaplimit 255 flowlabel 0xfffff tclass 0xff", func(g *kernel.GRELink) { g.EncapLimit, g.FlowLabel, g.TOS = 255, 0xfffff, 0xff }},
	{"flowlabel inherit", func(g *kernel.GRELink) { g.Flags = gre.FlagUseOrigFlowLabel }},
	{"dscp inherit fwmark inherit", func(g *kernel.GRELink) { g.Flags = gre.FlagRcvDSCPCopy | gre.FlagUseOrigFwmark }},
	{"allow-localremote icsum", func(g *kernel.GRELink) { g.Checksum, g.OneWay = true, true }},
	{"seq dev v0", func(g *kernel.GRELink) { g.Sequence, g.Parent = true, parentIndex }},
}

// parentIndex stands for the index of device v0.
const parentIndex = -1

// greCases returns every mode with every key, every option, and both kinds of local address. Each
// has a remote of its own.
func greCases() []greCase {
	var cases []greCase
	for _, mode := range gre.Modes {
		options, local, anyLocal, remotes := options4, want.Addr("192.0.2.1"), netip.IPv4Unspecified(), want.Addr("198.18.0.1")
		base := kernel.GRELink{Mode: mode, PMTUD: true}
		if mode.IPv6Outer() {
			options, local, anyLocal, remotes = options6, want.Addr("2001:db8::1"), netip.IPv6Unspecified(), want.Addr("2001:db8:1::")
			base.TTL, base.EncapLimit = 64, 4 // the defaults of `ip link`
		}
		for _, key := range keyOptions {
			for _, o := range options {
				for _, from := range []netip.Addr{local, anyLocal} {
					remotes = remotes.Next()
					c := greCase{want: base}
					c.want.Local, c.want.Remote = from, remotes
					c.words = fmt.Sprintf("type %s remote %s %s %s", mode, remotes, key.words, o.words)
					if from == local {
						c.words += " local " + local.String()
					}
					key.set(&c.want)
					o.set(&c.want)
					cases = append(cases, c)
				}
			}
		}
	}
	return append(cases,
		greCase{"type gretap external", kernel.GRELink{
			Mode: gre.ModeGRETAP, External: true, Local: netip.IPv4Unspecified(), Remote: netip.IPv4Unspecified(), PMTUD: true}},
		greCase{"type ip6gretap external", kernel.GRELink{
			Mode: gre.ModeIP6GRETAP, External: true, Local: netip.IPv6Unspecified(), Remote: netip.IPv6Unspecified(), PMTUD: true}},
	)
}

// witnessGRE is the output of `ip -d -j link` for a GRE device.
type witnessGRE struct {
	Name     string `json:"ifname"`
	Parent   string `json:"link"`
	LinkInfo struct {
		Kind string `json:"info_kind"`
		Data struct {
			Local, Remote, TOS, TClass, IKey, OKey, FlowLabel string
			TTL                                               uint8
			PMTUDisc, ICSum, OCSum, ISeq, OSeq, External      bool
			EncapLimit                                        uint8 `json:"encap_limit"`
			IgnEncapLimit                                     bool  `json:"ip6_tnl_f_ign_encap_limit"`
			UseOrigTClass                                     bool  `json:"ip6_tnl_f_use_orig_tclass"`
			UseOrigFlowLabel                                  bool  `json:"ip6_tnl_f_use_orig_flowlabel"`
			RcvDSCPCopy                                       bool  `json:"ip6_tnl_f_rcv_dscp_copy"`
			UseOrigFwmark                                     bool  `json:"ip6_tnl_f_use_orig_fwmark"`
		} `json:"info_data"`
	} `json:"linkinfo"`
}

// gre returns the witness as a GRELink.
func (w witnessGRE) gre(t *testing.T, v0 int) kernel.GRELink {
	mode, err := gre.ParseMode(w.LinkInfo.Kind)
	if err != nil {
		t.Fatal(err)
	}
	d := w.LinkInfo.Data
	g := kernel.GRELink{
		Mode: mode, Local: anyOr(d.Local, mode), Remote: anyOr(d.Remote, mode), TTL: d.TTL, TOS: uint8(hexOf(t, cmp.Or(d.TOS, d.TClass, "0"))),
		PMTUD: d.PMTUDisc || mode.IPv6Outer(), EncapLimit: d.EncapLimit, FlowLabel: uint32(hexOf(t, cmp.Or(d.FlowLabel, "0"))),
		Checksum: d.ICSum || d.OCSum, Sequence: d.ISeq || d.OSeq, OneWay: d.ICSum != d.OCSum || d.ISeq != d.OSeq, External: d.External,
		InputKey: dottedKey(t, d.IKey), OutputKey: dottedKey(t, d.OKey),
	}
	if w.Parent == "v0" {
		g.Parent = v0
	}
	for flag, set := range map[gre.Flags]bool{
		gre.FlagIgnEncapLimit: d.IgnEncapLimit, gre.FlagUseOrigTClass: d.UseOrigTClass, gre.FlagUseOrigFlowLabel: d.UseOrigFlowLabel,
		gre.FlagRcvDSCPCopy: d.RcvDSCPCopy, gre.FlagUseOrigFwmark: d.UseOrigFwmark,
	} {
		if set {
			g.Flags |= flag
		}
	}
	return g
}

func anyOr(s string, mode gre.Mode) netip.Addr {
	switch {
	case s != "any":
		return want.Addr(s)
	case mode.IPv6Outer():
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func hexOf(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func dottedKey(t *testing.T, s string) *gre.Key {
	if s == "" {
		return nil
	}
	k, err := gre.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return &k
}

// TestLabLinks makes tunnels of every kind with `ip link` and reads them back.
func TestLabLinks(t *testing.T) {
	needGRE(t)
	ns := newNamespace(t)
	ns.IP("link add v0 type veth peer name v1", "link set dev v0 up", "link set dev v1 up", "addr add 192.0.2.1/24 dev v0",
		"addr add 2001:db8::1/64 dev v0 nodad")
	cases := greCases()
	var lines []string
	for i, c := range cases {
		lines = append(lines, fmt.Sprintf("link add name tun%d %s", i, c.words))
	}
	ns.IP(lines...)
	var witness []witnessGRE
	if err := json.Unmarshal([]byte(ns.IP("-d -j link show")), &witness); err != nil {
		t.Fatal(err)
	}
	witnessed := make(map[string]witnessGRE)
	for _, w := range witness {
		witnessed[w.Name] = w
	}
	began := time.Now()
	links := make(map[string]kernel.Link)
	for _, link := range ns.links(t) {
		links[link.Name] = link
	}
	t.Logf("%d links in %s", len(links), time.Since(began))
	v0 := links["v0"].Index
	for i, c := range cases {
		name := fmt.Sprintf("tun%d", i)
		link := links[name]
		if link.GRE == nil || link.Kind != c.want.Mode.String() {
			t.Fatalf("%s: %+v", c.words, link)
		}
		c.want.Parent *= v0 * parentIndex
		checkGRE(t, c.words, *link.GRE, c.want, witnessed[name].gre(t, v0))
	}
}

// checkGRE compares the link that was read with the request and with the witness. The witness does
// not show the encapsulation limit of a tunnel that sends none, to which it means nothing.
func checkGRE(t *testing.T, words string, got, want, witness kernel.GRELink) {
	t.Helper()
	for _, g := range []*kernel.GRELink{&got, &want, &witness} {
		if g.Flags&gre.FlagIgnEncapLimit != 0 {
			g.EncapLimit = 0
		}
	}
	if witness.Flags&gre.FlagUseOrigTClass != 0 || witness.Flags&gre.FlagUseOrigFlowLabel != 0 {
		// the witness shows the word "inherit" instead
		witness.TOS, witness.FlowLabel = got.TOS, got.FlowLabel
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\ngot  %s\nwant %s", words, greText(got), greText(want))
	}
	if !reflect.DeepEqual(got, witness) {
		t.Errorf("%s\ngot     %s\nwitness %s", words, greText(got), greText(witness))
	}
}

func greText(g kernel.GRELink) string {
	text, _ := json.Marshal(g)
	return string(text)
}

// tunnel is a GRE tunnel between two namespaces that a third one joins. The inner addresses are
// 172.16.0.1 and .2, fd16::1 and ::2.
type tunnel struct{ near, middle, far *namespace }

// newTunnel makes a tunnel of a mode, with words for both ends and words for each.
func newTunnel(t *testing.T, mode gre.Mode, both, nearWords, farWords string) tunnel {
	tn := tunnel{newNamespace(t), newNamespace(t), newNamespace(t)}
	cable(tn.near, "v0", tn.middle, "m0", 0) // 10.9.0.1 to .2
	cable(tn.middle, "m1", tn.far, "v1", 1)  // 10.9.1.1 to .2
	tn.middle.Sysctl("net/ipv4/ip_forward", "1")
	tn.middle.Sysctl("net/ipv6/conf/all/forwarding", "1")
	tn.middle.Sysctl("net/ipv4/icmp_ratemask", "0")
	tn.near.IP("route add 10.9.0.0/16 via 10.9.0.2", "route add fd00::/16 via fd00::2")
	tn.far.IP("route add 10.9.0.0/16 via 10.9.1.1", "route add fd00::/16 via fd00:1::1")
	nearEnd, farEnd := "local 10.9.0.1 remote 10.9.1.2", "local 10.9.1.2 remote 10.9.0.1"
	if mode.IPv6Outer() {
		nearEnd, farEnd = "local fd00::1 remote fd00:1::2", "local fd00:1::2 remote fd00::1"
	}
	for i, end := range []struct {
		ns    *namespace
		words string
	}{{tn.near, nearEnd + " " + nearWords}, {tn.far, farEnd + " " + farWords}} {
		end.ns.IP(
			fmt.Sprintf("link add name tun0 type %s ttl 64 %s %s", mode, both, end.words),
			"link set dev tun0 up",
			fmt.Sprintf("addr add 172.16.0.%d/30 dev tun0", i+1),
			fmt.Sprintf("addr add fd16::%d/64 dev tun0 nodad", i+1),
		)
	}
	return tn
}

// probe is the probe that the tests send through a tunnel.
func (tn tunnel) probe(to string, count int) kernel.Probe {
	from := "172.16.0.1"
	if want.Addr(to).Is6() {
		from = "fd16::1"
	}
	return kernel.Probe{Dev: "tun0", From: want.Addr(from), To: want.Addr(to), Count: count, Interval: time.Second}
}

func TestLabProbe(t *testing.T) {
	needGRE(t)
	for _, mode := range gre.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			tn := newTunnel(t, mode, "", "ikey 1 okey 2", "ikey 2 okey 1")
			for _, to := range []string{"172.16.0.2", "fd16::2"} {
				p := tn.probe(to, 10)
				p.Enough = 3
				got, err := tn.near.probe(context.Background(), p)
				if err != nil || got.Received != 3 || got.Sent > 5 {
					t.Errorf("%s: got %+v, %v", to, got, err)
				}
			}
			before := tn.counters(t)
			tn.far.IP("link set dev tun0 down")
			got, err := tn.near.probe(context.Background(), tn.probe("172.16.0.2", 3))
			if err != nil || got.Sent != 3 || got.Received != 0 {
				t.Errorf("the far end is down: got %+v, %v", got, err)
			}
			if c := tn.counters(t); c.TxPackets < before.TxPackets || c.RxErrors != before.RxErrors {
				t.Errorf("counters %+v, before %+v", c, before)
			}
		})
	}
}

// counters returns the counters of the near end.
func (tn tunnel) counters(t *testing.T) kernel.Counters {
	t.Helper()
	for _, link := range tn.near.links(t) {
		if link.Name == "tun0" {
			return link.Counters
		}
	}
	t.Fatal("no tun0")
	return kernel.Counters{}
}

// TestLabProbeRefused has a router on the way refuse the tunnel's packets. From the second probe
// on, this host's kernel reports that.
func TestLabProbeRefused(t *testing.T) {
	needGRE(t)
	for privilege, prepare := range privileges {
		t.Run(privilege, func(t *testing.T) {
			t.Parallel()
			tn := newTunnel(t, gre.ModeGRE, "key 42", "", "")
			tn.middle.IP("route add prohibit 10.9.1.2")
			prepare(tn.near)
			got, err := tn.near.probe(context.Background(), tn.probe("172.16.0.2", 4))
			if err != nil || got.Received != 0 || len(got.Refusals) != 1 || got.Refusals[0] != "host unreachable, from 172.16.0.1" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// TestLabProbeBehind probes a network behind the far end, and the far end refuses.
func TestLabProbeBehind(t *testing.T) {
	needGRE(t)
	tn := newTunnel(t, gre.ModeGRE, "key 42", "", "")
	tn.far.Sysctl("net/ipv4/ip_forward", "1")
	tn.far.IP("route add unreachable 10.70.0.0/16")
	tn.near.IP("route add 10.70.0.0/16 dev tun0")
	got, err := tn.near.probe(context.Background(), tn.probe("10.70.0.1", 2))
	if err != nil || len(got.Refusals) != 1 || got.Refusals[0] != "host unreachable, from 172.16.0.2" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestLabProbeFirewall has this host drop outgoing packets, and expects an error that says so.
func TestLabProbeFirewall(t *testing.T) {
	needGRE(t)
	tn := newTunnel(t, gre.ModeGRE, "", "", "")
	tn.drop("ip protocol icmp")
	got, err := tn.near.probe(context.Background(), tn.probe("172.16.0.2", 1))
	if !errors.Is(err, unix.EPERM) || errors.Is(err, fault.ErrNotPermitted) || got.Sent != 0 || len(fault.Hints(err)) == 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// drop has the near end drop outgoing packets that match.
func (tn tunnel) drop(match string) {
	tn.near.T.Helper()
	out, err := tn.near.Run("nft", "add table ip t; add chain ip t o { type filter hook output priority 0; }; add rule ip t o "+match+" drop")
	if err != nil {
		tn.near.T.Fatalf("%v: %s", err, out)
	}
}

// TestLabCounters makes each fault that has a counter of its own, and finds it.
func TestLabCounters(t *testing.T) {
	needGRE(t)
	for name, c := range map[string]struct {
		near, far string
		fault     func(tn tunnel)
		counter   func(c kernel.Counters) uint64
	}{
		"no route": {"", "", func(tn tunnel) { tn.near.IP("route add blackhole 10.9.1.2") },
			func(c kernel.Counters) uint64 { return min(c.TxCarrierErrors, c.TxErrors) }},
		"recursive route": {"", "", func(tn tunnel) { tn.near.IP("route add 10.9.1.2 dev tun0") },
			func(c kernel.Counters) uint64 { return min(c.Collisions, c.TxErrors) }},
		"firewall": {"", "", func(tn tunnel) { tn.drop("ip protocol 47") }, func(c kernel.Counters) uint64 { return c.TxDropped }},
		"checksum": {"", "csum", func(tunnel) {}, func(c kernel.Counters) uint64 { return min(c.RxCRCErrors, c.RxErrors) }},
		"sequence": {"iseq", "", func(tunnel) {}, func(c kernel.Counters) uint64 { return min(c.RxFIFOErrors, c.RxErrors) }},
		"nothing":  {"", "", func(tunnel) {}, func(c kernel.Counters) uint64 { return min(c.RxPackets, c.TxPackets, c.RxBytes/84, c.TxBytes/84) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tn := newTunnel(t, gre.ModeGRE, "", c.near, c.far)
			c.fault(tn)
			if name == "checksum" || name == "sequence" { // incoming packets are at fault
				_, _ = tn.far.probe(context.Background(), kernel.Probe{Dev: "tun0", To: want.Addr("172.16.0.1"), Count: 3, Interval: 300 * time.Millisecond})
			}
			_, _ = tn.near.probe(context.Background(), tn.probe("172.16.0.2", 3))
			if counters := tn.counters(t); c.counter(counters) == 0 {
				t.Errorf("%+v", counters)
			}
		})
	}
}

// TestLabPathMTU reads a path MTU that the kernel has learnt.
func TestLabPathMTU(t *testing.T) {
	needGRE(t)
	tn := newTunnel(t, gre.ModeGRE, "", "", "")
	tn.middle.IP("link set dev m1 mtu 1400")
	ask := kernel.Query{To: want.Addr("10.9.1.2")}
	hop, err := tn.near.kernel.Lookup(context.Background(), ask)
	if expected := (kernel.Hop{Dev: "v0", Via: want.Addr("10.9.0.2"), Src: want.Addr("10.9.0.1"), Match: want.CIDR("10.9.0.0/16"), Table: routes.MainTable, MTU: 1500, RouteMTU: 1500}); err != nil || hop != expected {
		t.Errorf("before: %+v, %v", hop, err)
	}
	_, _ = tn.near.Run("ping", "-c", "3", "-i", "0.3", "-W", "1", "-M", "do", "-s", "1440", "172.16.0.2")
	if hop, err = tn.near.kernel.Lookup(context.Background(), ask); err != nil || hop.MTU != 1400 || hop.RouteMTU != 1500 || hop.Match != want.CIDR("10.9.0.0/16") {
		t.Errorf("after: %+v, %v", hop, err)
	}
	if hop, err = tn.near.kernel.Lookup(context.Background(), kernel.Query{To: want.Addr("172.16.0.2")}); err != nil || hop.Dev != "tun0" || hop.MTU != 1376 {
		t.Errorf("in the tunnel: %+v, %v", hop, err)
	}
	// The entry of the cache is not among the routes of the device.
	held, err := tn.near.kernel.Routes(context.Background(), "v0", nil)
	for _, r := range held {
		if err != nil || r.MTU != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// TestLabRoutes puts routes into a tunnel, compares them with the witness, and loses them with the
// tunnel.
func TestLabRoutes(t *testing.T) {
	needGRE(t)
	tn, ctx := newTunnel(t, gre.ModeGRE, "", "", ""), context.Background()
	list := []routes.Route{
		{Dst: want.CIDR("10.20.0.0/16")},
		{Dst: want.CIDR("10.21.0.0/16"), Via: want.Addr("172.16.0.2"), Metric: metric(50), MTU: 1300},
		{Dst: want.CIDR("10.22.0.0/16"), Src: want.Addr("172.16.0.1")},
		{Dst: want.CIDR("10.23.0.0/16"), Nexthops: []routes.Nexthop{{Weight: 2}, {Via: want.Addr("10.9.0.2"), Dev: "v0"}}},
		{Dst: want.CIDR("fd20::/32")},
		{Dst: want.CIDR("fd21::/32"), Via: want.Addr("fd16::2")},
	}
	tn.near.sync(t, into("tun0", list...), kernel.SyncOptions{})
	tn.near.expect(t, "tun0", list...)
	if lines := strings.Count(tn.near.ipRoutes(kernel.RouteProtocol), "\n") + 1; lines != len(list) {
		t.Errorf("the witness has %d routes", lines)
	}
	tn.near.IP("link set dev tun0 down")
	left, err := tn.near.kernel.Routes(ctx, "tun0", nil)
	t.Logf("left when the tunnel is down: %+v", left)
	if err != nil || len(left) > 1 { // of a multipath route the other path stays
		t.Errorf("left: %+v, %v", left, err)
	}
	tn.near.sync(t, nil, kernel.SyncOptions{})
	if own, err := tn.near.kernel.OwnRoutes(ctx); err != nil || len(own) != 0 {
		t.Errorf("left: %+v, %v", own, err)
	}
}

// labTunnels makes a namespace as [twoWires] does, in which v0 and w0 are GRE tunnels.
func labTunnels(t *testing.T) *namespace {
	ns, far := newNamespace(t), newNamespace(t)
	cable(ns, "u0", far, "u1", 8)
	for i, name := range []string{"v0", "w0"} {
		ns.IP(
			fmt.Sprintf("link add %s type gre local 10.9.8.1 remote 10.9.8.2 key %d ttl 64", name, i+1),
			fmt.Sprintf("link set dev %s up", name),
			fmt.Sprintf("addr add 10.9.%d.1/24 dev %s", i, name),
			fmt.Sprintf("addr add fd00:%d::1/64 dev %s nodad", i, name),
		)
	}
	return ns
}

// loadMPLS loads the kernel's modules for MPLS, which nothing loads by itself.
func loadMPLS(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "modprobe", "-a", "mpls_router", "mpls_iptunnel").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestLabEveryRoute sets every kind of route into tunnels, one by one and all at once.
func TestLabEveryRoute(t *testing.T) {
	needGRE(t)
	loadMPLS(t)
	t.Run("one by one", func(t *testing.T) { testEveryRoute(t, labTunnels(t), true) })
	t.Run("at once", func(t *testing.T) { testAllRoutes(t, labTunnels(t), true) })
}

// TestLabShowsTheSame compares the words of `ip route show` for routes that SyncRoutes has set and
// for routes that `ip route add` has set.
func TestLabShowsTheSame(t *testing.T) {
	needGRE(t)
	loadMPLS(t)
	ours, theirs := labTunnels(t), labTunnels(t)
	cases := everyCase(true)
	for _, ns := range []*namespace{ours, theirs} {
		ns.IP(nexthopObjects...)
	}
	ours.sync(t, ownOf(cases...), kernel.SyncOptions{})
	for _, c := range cases {
		theirs.IP(c.family() + " route add proto 213 " + c.words)
	}
	for _, family := range []string{"-4", "-6"} {
		show := family + " -d route show table all proto 213"
		got, want := lifetimes.ReplaceAllString(ours.IP(show), "expires"), lifetimes.ReplaceAllString(theirs.IP(show), "expires")
		if got != want || strings.Count(got, "\n") < 30 {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	ours.sync(t, nil, kernel.SyncOptions{})
	if left := ours.ipRoutes(kernel.RouteProtocol); left != "" {
		t.Errorf("left: %s", left)
	}
}

var lifetimes = regexp.MustCompile(`expires \d+sec`)
