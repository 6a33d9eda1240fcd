package routes

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre"
)

// encodeLink encodes a link as the kernel does.
func encodeLink(index uint32, name, kind string, data []byte) []byte {
	body := make([]byte, unix.SizeofIfInfomsg)
	native.PutUint32(body[4:], index)
	native.PutUint32(body[8:], unix.IFF_UP|unix.IFF_RUNNING)
	body = appendAttribute(body, unix.IFLA_IFNAME, append([]byte(name), 0))
	body = appendUint32(body, unix.IFLA_MTU, 1476)
	info := appendAttribute(nil, unix.IFLA_INFO_KIND, append([]byte(kind), 0))
	if data != nil {
		info = appendAttribute(info, unix.IFLA_INFO_DATA, data)
	}
	return appendAttribute(body, unix.IFLA_LINKINFO, info)
}

func TestParseLink(t *testing.T) {
	got, err := parseLink(encodeLink(3, "br0", "bridge", nil))
	want := nmgre.Link{Index: 3, Name: "br0", Kind: "bridge", Up: true, MTU: 1476}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseCounters(t *testing.T) {
	var stats []byte
	for i := range 25 {
		stats = native.AppendUint64(stats, uint64(i)<<32) // no counter of 32 bits holds these
	}
	body := appendAttribute(encodeLink(3, "a", "", nil), unix.IFLA_STATS64, stats)
	got, err := parseLink(body)
	want := nmgre.Counters{
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
	if _, err := parseLink(appendAttribute(encodeLink(3, "a", "", nil), unix.IFLA_STATS64, stats[:160])); !errors.Is(err, errMalformed) {
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
		"short MTU":     appendAttribute(encodeLink(1, "a", "", nil), unix.IFLA_MTU, []byte{1}),
		"bad link info": appendAttribute(encodeLink(1, "a", "", nil), unix.IFLA_LINKINFO, []byte{9, 0, 1, 0}),
		"bad GRE":       encodeLink(1, "a\x1b[", "gre", appendAttribute(nil, greInKey, []byte{1})),
	} {
		_, err := parseLink(in)
		if !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		} else if strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%s: %q is not escaped", name, err)
		}
	}
}

func FuzzLink(f *testing.F) {
	for _, message := range fixtures(f, "links.txt") {
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
	for _, message := range fixtures(f, "addresses.txt") {
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, wanted, err := parseAddress(body); wanted && (err != nil || !a.prefix.IsValid()) {
			t.Errorf("taken: %+v, %v", a, err)
		}
	})
}

func TestParseAddress(t *testing.T) {
	want := map[string]string{"IPv4": "10.9.0.1/24", "IPv4 with a peer": "172.16.0.1/30", "IPv6": "fd00::1/64", "IPv6 with a peer": "fd01::1/127"}
	for name, message := range fixtures(t, "addresses.txt") {
		a, wanted, err := parseAddress(message)
		if err != nil || !wanted || a.prefix.String() != want[name] || a.index == 0 {
			t.Errorf("%s: %+v %v %v", name, a, wanted, err)
		}
		delete(want, name)
		for n := range message {
			_, _, _ = parseAddress(message[:n]) // must not panic
		}
	}
	if len(want) > 0 {
		t.Errorf("not recorded: %v", want)
	}
}

// witnessLink is what `ip -d -j -s address` says of a link.
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

// link returns the witness's word as a Link, as far as it goes.
func (w witnessLink) link() nmgre.Link {
	link := nmgre.Link{Index: w.Index, Name: w.Name, Kind: w.LinkInfo.Kind, MTU: w.MTU}
	for _, flag := range w.Flags {
		link.Up = link.Up || flag == "UP"
	}
	for _, a := range w.Addresses {
		link.Addresses = append(link.Addresses, netip.PrefixFrom(a.Local, a.Length))
	}
	rx, tx := w.Stats.Rx, w.Stats.Tx
	link.Counters = nmgre.Counters{
		RxPackets: rx.Packets, RxBytes: rx.Bytes, RxErrors: rx.Errors, RxDropped: rx.Dropped,
		TxPackets: tx.Packets, TxBytes: tx.Bytes, TxErrors: tx.Errors, TxDropped: tx.Dropped,
	}
	return link
}

func TestLinks(t *testing.T) {
	ns, far := newNamespace(t), newNamespace(t)
	wire(ns, "v0", far, "v1", 0)
	ns.ip("addr add 172.16.0.1 peer 172.16.0.2/30 dev v0", "addr add fd01::1 peer fd01::2/127 dev v0 nodad", "link set dev v0 mtu 1400",
		"link add br0 type bridge")
	before := ns.links(t)
	var witness []witnessLink
	if err := json.Unmarshal([]byte(ns.ip("-d -j -s address show")), &witness); err != nil {
		t.Fatal(err)
	}
	got := ns.links(t)
	if len(got) < 3 || len(witness) != len(got) || len(before) != len(got) {
		t.Fatalf("%d links, the witness has %d", len(got), len(witness))
	}
	for i, w := range witness {
		want := w.link()
		// The kernel sends by itself (multicast reports), so the counters are compared with what they were before and after.
		if !between(before[i].Counters, want.Counters, got[i].Counters) {
			t.Errorf("counters before %+v\nwitness %+v\nafter %+v", before[i].Counters, want.Counters, got[i].Counters)
		}
		want.Counters, want.GRE = got[i].Counters, got[i].GRE // kernels with GRE have gre0 and its like everywhere
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
	}
}

func (ns *namespace) links(t *testing.T) []nmgre.Link {
	t.Helper()
	links, err := ns.kernel.Links(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return links
}

// between says whether counters lie between what they were earlier and later.
func between(earlier, c, later nmgre.Counters) bool {
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
	ns.ip("link add br0 type bridge", "link property add dev br0 altname a-name-of-more-than-fifteen-bytes")
	if link, err := ns.kernel.linkByName(context.Background(), "br0"); err != nil || link.Name != "br0" || link.Kind != "bridge" {
		t.Errorf("got %+v, %v", link, err)
	}
	for _, name := range []string{"", "none", "a-name-of-sixteen", "\x1b[2J", "lo\x00x"} {
		_, err := ns.kernel.linkByName(context.Background(), name)
		if !errors.Is(err, nmgre.ErrInvalid) || !errors.Is(err, unix.ENODEV) || strings.ContainsRune(err.Error(), 0x1b) {
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
	if _, err := ns.kernel.SyncRoutes(ctx, into("lo", nmgre.Route{Dst: prefix("10.0.0.0/8")}), nmgre.SyncOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("SyncRoutes: %v", err)
	}
}
