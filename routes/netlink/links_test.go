package netlink

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/want"
)

// encodeLink encodes a link as the kernel does.
func encodeLink(index uint32, name, kind string, data []byte) []byte {
	body := make([]byte, unix.SizeofIfInfomsg)
	wire.Native.PutUint32(body[4:], index)
	wire.Native.PutUint32(body[8:], unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP)
	body = wire.AppendAttribute(body, unix.IFLA_IFNAME, append([]byte(name), 0))
	body = wire.AppendUint32(body, unix.IFLA_MTU, 1476)
	info := wire.AppendAttribute(nil, unix.IFLA_INFO_KIND, append([]byte(kind), 0))
	if data != nil {
		info = wire.AppendAttribute(info, unix.IFLA_INFO_DATA, data)
	}
	return wire.AppendAttribute(body, unix.IFLA_LINKINFO, info)
}

func TestParseLink(t *testing.T) {
	got, err := parseLink(encodeLink(3, "br0", "bridge", nil))
	want := kernel.Link{Index: 3, Name: "br0", Kind: "bridge", Up: true, MTU: 1476}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A port of a bridge tells its bridge, and its state there.
func TestParsePort(t *testing.T) {
	port := func(kind string, data []byte) []byte {
		body := wire.AppendUint32(make([]byte, unix.SizeofIfInfomsg), unix.IFLA_MASTER, 9)
		wire.Native.PutUint32(body[4:], 3)
		body = wire.AppendAttribute(body, unix.IFLA_IFNAME, []byte("a\x00"))
		info := wire.AppendAttribute(nil, unix.IFLA_INFO_SLAVE_KIND, append([]byte(kind), 0))
		return wire.AppendAttribute(body, unix.IFLA_LINKINFO, wire.AppendAttribute(info, unix.IFLA_INFO_SLAVE_DATA, data))
	}
	for state, expected := range map[byte]kernel.PortState{0: kernel.PortDisabled, 1: kernel.PortListening, 2: kernel.PortLearning, 3: kernel.PortForwarding, 4: kernel.PortBlocking, 255: 255} {
		link, err := parseLink(port("bridge", wire.AppendAttribute(nil, 1, []byte{state})))
		if err != nil || link.Controller != 9 || link.Port != expected {
			t.Errorf("state %d: %+v, %v", state, link, err)
		}
	}
	if link, err := parseLink(port("bond", wire.AppendAttribute(nil, 1, []byte{3}))); err != nil || link.Controller != 9 || link.Port != kernel.PortNone {
		t.Errorf("of a bond: %+v, %v", link, err)
	}
	if _, err := parseLink(port("bridge", wire.AppendAttribute(nil, 1, nil))); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a state of no byte: %v", err)
	}
}

// A VRF tells its table.
func TestParseVRF(t *testing.T) {
	link, err := parseLink(encodeLink(3, "red", "vrf", wire.AppendUint32(nil, unix.IFLA_VRF_TABLE, 900)))
	if err != nil || link.Kind != "vrf" || link.Table != 900 {
		t.Errorf("%+v, %v", link, err)
	}
	if _, err := parseLink(encodeLink(3, "red", "vrf", wire.AppendAttribute(nil, unix.IFLA_VRF_TABLE, []byte{1}))); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a table of one byte: %v", err)
	}
}

// A device that is down has no carrier to lose.
func TestParseCarrier(t *testing.T) {
	for flags, expected := range map[uint32]kernel.Link{
		unix.IFF_UP | unix.IFF_LOWER_UP: {Up: true}, unix.IFF_UP: {Up: true, NoCarrier: true}, unix.IFF_LOWER_UP: {}, 0: {},
	} {
		body := encodeLink(3, "a", "", nil)
		wire.Native.PutUint32(body[8:], flags)
		if got, err := parseLink(body); err != nil || got.Up != expected.Up || got.NoCarrier != expected.NoCarrier {
			t.Errorf("flags %#x: %+v, %v", flags, got, err)
		}
	}
}

func TestParseCounters(t *testing.T) {
	var stats []byte
	for i := range 25 {
		stats = wire.Native.AppendUint64(stats, uint64(i)<<32) // no counter of 32 bits holds these
	}
	body := wire.AppendAttribute(encodeLink(3, "a", "", nil), unix.IFLA_STATS64, stats)
	got, err := parseLink(body)
	want := kernel.Counters{
		TxPackets: 1, RxBytes: 2, TxBytes: 3, RxErrors: 4, TxErrors: 5, RxDropped: 6, TxDropped: 7, Collisions: 9, RxCRCErrors: 12,
		RxFIFOErrors: 14, TxCarrierErrors: 17,
	}
	for _, n := range []*uint64{&want.TxPackets, &want.RxBytes, &want.TxBytes, &want.RxErrors, &want.TxErrors, &want.RxDropped,
		&want.TxDropped, &want.Collisions, &want.RxCRCErrors, &want.RxFIFOErrors, &want.TxCarrierErrors} {
		*n <<= 32
	}
	if err != nil || got.Counters != want {
		t.Errorf("got %+v, %v", got.Counters, err)
	}
	if _, err := parseLink(wire.AppendAttribute(encodeLink(3, "a", "", nil), unix.IFLA_STATS64, stats[:160])); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("counters of 160 bytes: %v", err)
	}
}

func TestParseLinkMalformed(t *testing.T) {
	for name, in := range map[string][]byte{
		"empty":         nil,
		"short header":  make([]byte, 15),
		"no index":      encodeLink(0, "a", "", nil),
		"bad index":     encodeLink(1<<31, "a", "", nil),
		"no name":       encodeLink(1, "", "", nil),
		"short MTU":     wire.AppendAttribute(encodeLink(1, "a", "", nil), unix.IFLA_MTU, []byte{1}),
		"bad link info": wire.AppendAttribute(encodeLink(1, "a", "", nil), unix.IFLA_LINKINFO, []byte{9, 0, 1, 0}),
		"bad GRE":       encodeLink(1, "a\x1b[", "gre", wire.AppendAttribute(nil, nl.IFLA_GRE_IKEY, []byte{1})),
	} {
		_, err := parseLink(in)
		if !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		} else if strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%s: %q is not escaped", name, err)
		}
	}
}

func FuzzLink(f *testing.F) {
	for _, message := range want.Fixtures(f, "testdata/links.txt") {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		link, err := parseLink(body)
		if err == nil && (link.Index <= 0 || link.Name == "") {
			t.Errorf("taken: %+v", link)
		}
		if link.GRE != nil && link.GRE.Local.Is6() != link.GRE.Mode.IPv6Outer() {
			t.Errorf("%s from %s", link.GRE.Mode, link.GRE.Local)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, message := range want.Fixtures(f, "testdata/addresses.txt") {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, wanted, err := parseAddress(body); wanted && (err != nil || !a.prefix.IsValid()) {
			t.Errorf("taken: %+v, %v", a, err)
		}
	})
}

func TestParseAddress(t *testing.T) {
	expected := map[string]string{"IPv4": "10.9.0.1/24", "IPv4 with a peer": "172.16.0.1/30", "IPv6": "fd00::1/64", "IPv6 with a peer": "fd01::1/127"}
	for name, message := range want.Fixtures(t, "testdata/addresses.txt") {
		a, wanted, err := parseAddress(message)
		if err != nil || !wanted || a.prefix.String() != expected[name] || a.index == 0 {
			t.Errorf("%s: %+v %v %v", name, a, wanted, err)
		}
		delete(expected, name)
		for n := range message {
			_, _, _ = parseAddress(message[:n]) // must not panic
		}
	}
	if len(expected) > 0 {
		t.Errorf("not recorded: %v", expected)
	}
}

// witnessLink is the output of `ip -d -j -s address` for a link.
type witnessLink struct {
	Index    int      `json:"ifindex"`
	Name     string   `json:"ifname"`
	MTU      int      `json:"mtu"`
	Flags    []string `json:"flags"`
	LinkInfo struct {
		Kind string `json:"info_kind"`
	} `json:"linkinfo"`
	Addresses []struct {
		Local  netip.Addr `json:"local"`
		Length int        `json:"prefixlen"`
	} `json:"addr_info"`
	Stats struct {
		Rx, Tx struct {
			Bytes, Packets, Errors, Dropped uint64
		}
	} `json:"stats64"`
}

// link returns the witness as a Link, with the fields that it shows.
func (w witnessLink) link() kernel.Link {
	link := kernel.Link{Index: w.Index, Name: w.Name, Kind: w.LinkInfo.Kind, MTU: w.MTU}
	for _, flag := range w.Flags {
		link.Up = link.Up || flag == "UP"
		link.Multicast = link.Multicast || flag == "MULTICAST"
	}
	for _, a := range w.Addresses {
		link.Addresses = append(link.Addresses, netip.PrefixFrom(a.Local, a.Length))
	}
	rx, tx := w.Stats.Rx, w.Stats.Tx
	link.Counters = kernel.Counters{
		RxPackets: rx.Packets, RxBytes: rx.Bytes, RxErrors: rx.Errors, RxDropped: rx.Dropped,
		TxPackets: tx.Packets, TxBytes: tx.Bytes, TxErrors: tx.Errors, TxDropped: tx.Dropped,
	}
	return link
}

func TestLinks(t *testing.T) {
	ns, far := newNamespace(t), newNamespace(t)
	cable(ns, "v0", far, "v1", 0)
	ns.IP("addr add 172.16.0.1 peer 172.16.0.2/30 dev v0", "addr add fd01::1 peer fd01::2/127 dev v0 nodad", "link set dev v0 mtu 1400",
		"link add br0 type bridge")
	before := ns.links(t)
	var witness []witnessLink
	if err := json.Unmarshal([]byte(ns.IP("-d -j -s address show")), &witness); err != nil {
		t.Fatal(err)
	}
	got := ns.links(t)
	if len(got) < 3 || len(witness) != len(got) || len(before) != len(got) {
		t.Fatalf("%d links, the witness has %d", len(got), len(witness))
	}
	for i, w := range witness {
		want := w.link()
		// The kernel sends by itself (multicast reports), so the counters must lie between those
		// from before and after.
		if !between(before[i].Counters, want.Counters, got[i].Counters) {
			t.Errorf("counters before %+v\nwitness %+v\nafter %+v", before[i].Counters, want.Counters, got[i].Counters)
		}
		// kernels with GRE have gre0 and its like everywhere
		want.Counters, want.GRE = got[i].Counters, got[i].GRE
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
	}
}

func (ns *namespace) links(t *testing.T) []kernel.Link {
	t.Helper()
	links, err := ns.kernel.Links(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return links
}

// between reports whether counters lie between earlier and later ones.
func between(earlier, c, later kernel.Counters) bool {
	low, value, high := reflect.ValueOf(earlier), reflect.ValueOf(c), reflect.ValueOf(later)
	for i := range value.NumField() {
		if value.Field(i).Uint() < low.Field(i).Uint() || value.Field(i).Uint() > high.Field(i).Uint() {
			return false
		}
	}
	return true
}

func TestLinkByName(t *testing.T) {
	ns := newNamespace(t)
	ns.IP("link add br0 type bridge", "link property add dev br0 altname a-name-of-more-than-fifteen-bytes")
	if link, err := ns.kernel.linkByName(context.Background(), "br0"); err != nil || link.Name != "br0" || link.Kind != "bridge" {
		t.Errorf("got %+v, %v", link, err)
	}
	for _, name := range []string{"", "none", "a-name-of-sixteen", "\x1b[2J", "lo\x00x"} {
		_, err := ns.kernel.linkByName(context.Background(), name)
		if !errors.Is(err, fault.ErrInvalid) || !errors.Is(err, unix.ENODEV) || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// One device is as it is among all, but for its addresses.
func TestLink(t *testing.T) {
	ns := newNamespace(t)
	ns.IP("link set lo up")
	links, err := ns.kernel.Links(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := *kernel.Named(links, "lo")
	if all.Addresses = nil; all.Index == 0 {
		t.Fatal("there is no lo")
	}
	if one, err := ns.kernel.Link(t.Context(), "lo"); err != nil || !reflect.DeepEqual(one, all) {
		t.Errorf("%+v, %v; want %+v", one, err, all)
	}
	for _, name := range []string{"", "none", "a-name-of-sixteen", "\x1b[2J"} {
		if _, err := ns.kernel.Link(t.Context(), name); !errors.Is(err, fault.ErrNotFound) || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestContextEnded(t *testing.T) {
	ns := newNamespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ns.kernel.Links(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Links: %v", err)
	}
	if _, err := ns.kernel.OwnRoutes(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("OwnRoutes: %v", err)
	}
	if _, err := ns.kernel.SyncRoutes(ctx, into("lo", routes.Route{Dst: want.CIDR("10.0.0.0/8")}), kernel.SyncOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("SyncRoutes: %v", err)
	}
}

// TestRecordedGRE reads recorded messages of a kernel about tunnels. The words that made a tunnel
// stand beside its record.
func TestRecordedGRE(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	expected := map[string]kernel.GRELink{
		"gre0":    {Mode: gre.ModeGRE, Local: any4, Remote: any4},
		"ip6gre0": {Mode: gre.ModeIP6GRE, Local: any6, Remote: any6, PMTUD: true},
		"tun1": {Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("192.0.2.2"), InputKey: want.Ptr(gre.Key(0)), OutputKey: want.Ptr(gre.Key(7)),
			TTL: 64, TOS: 0x10},
		"tun2": {Mode: gre.ModeGRE, Local: any4, Remote: want.Addr("192.0.2.3"), Parent: 8, TOS: 1, PMTUD: true},
		"tun3": {Mode: gre.ModeGRETAP, Local: any4, Remote: want.Addr("192.0.2.4"), Checksum: true, Sequence: true, IgnoreDF: true},
		"tun4": {Mode: gre.ModeIP6GRE, Local: want.Addr("2001:db8::1"), Remote: want.Addr("2001:db8::2"), InputKey: want.Ptr(gre.Key(5)), OutputKey: want.Ptr(gre.Key(5)),
			TTL: 64, TOS: 0x2a, EncapLimit: 7, FlowLabel: 0xbcdef, PMTUD: true},
		"tun5": {Mode: gre.ModeIP6GRETAP, Local: any6, Remote: want.Addr("2001:db8::3"), TTL: 64, EncapLimit: 4, PMTUD: true,
			Flags: gre.FlagIgnEncapLimit | gre.FlagUseOrigTClass | gre.FlagUseOrigFlowLabel | gre.FlagRcvDSCPCopy | gre.FlagUseOrigFwmark},
		"tun6": {Mode: gre.ModeIP6GRE, Local: any6, Remote: want.Addr("2001:db8::4"), TTL: 64, EncapLimit: 4, PMTUD: true},
		"tun7": {Mode: gre.ModeGRETAP, Local: any4, Remote: any4, External: true, PMTUD: true},
		"tun8": {Mode: gre.ModeIP6GRETAP, Local: any6, Remote: any6, External: true, PMTUD: true},
	}
	for name, message := range want.Fixtures(t, "testdata/links.txt") {
		link, err := parseLink(message)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w, isGRE := expected[name]
		switch {
		case isGRE != (link.GRE != nil):
			t.Errorf("%s: %+v", name, link)
		case isGRE && !reflect.DeepEqual(*link.GRE, w):
			t.Errorf("%s\ngot  %+v\nwant %+v", name, *link.GRE, w)
		}
		delete(expected, name)
		for n := range message {
			_, _ = parseLink(message[:n]) // must not panic
		}
	}
	if len(expected) > 0 {
		t.Errorf("not recorded: %v", expected)
	}
}
