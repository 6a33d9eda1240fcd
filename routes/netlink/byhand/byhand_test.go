package byhand

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/want"
)

// attributes returns attributes behind a header of zeros.
func attributes(header int, list ...attribute) []byte {
	body := make([]byte, header)
	for _, a := range list {
		body = wire.AppendAttribute(body, a.kind, a.value)
	}
	return body
}

type attribute struct {
	kind  uint16
	value []byte
}

func number(n uint32) []byte { return wire.Native.AppendUint32(nil, n) }

func tunnel() kernel.Link {
	return kernel.Link{Index: 9, Name: "tun0", Kind: "gre", GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100")}}
}

// linkMessage is a link with everything that is read of one.
func linkMessage() []byte {
	data := attributes(0, attribute{greLink, number(2)}, attribute{greEncapType, wire.Native.AppendUint16(nil, 1)}, attribute{greFwmark, number(7)}, attribute{greFlags, number(allowLocalRemote)})
	info := attributes(0, attribute{unix.IFLA_INFO_KIND, []byte("gre\x00")}, attribute{unix.IFLA_INFO_DATA, data})
	mode := attributes(0, attribute{unix.AF_INET6 | unix.NLA_F_NESTED, attributes(0, attribute{inet6AddrGenMode, []byte{1}})})
	return attributes(unix.SizeofIfInfomsg, attribute{unix.IFLA_IFNAME, []byte("tun0\x00")}, attribute{unix.IFLA_MTU, number(1400)}, attribute{unix.IFLA_TXQLEN, number(77)},
		attribute{unix.IFLA_GROUP, number(5)}, attribute{unix.IFLA_IFALIAS, []byte("to\nthe office\x00")}, attribute{unix.IFLA_MASTER, number(3)}, attribute{unix.IFLA_LINKINFO, info}, attribute{unix.IFLA_AF_SPEC, mode})
}

// The settings that no tunnel of nmgre's has are named, and an alias does no harm to the screen.
func TestReadLink(t *testing.T) {
	r := reading{b: kernel.ByHand{Link: tunnel()}}
	body, err := r.readLink(linkMessage())
	if err != nil || len(r.b.Raw.Spec) == 0 {
		t.Fatalf("%v, %x", err, r.b.Raw.Spec)
	}
	var names []string
	for _, s := range r.b.Odd {
		names = append(names, s.Name)
	}
	if wanted := []string{"txqueuelen 77", "group 5", `alias to\nthe office`, "encap fou", "fwmark 0x7"}; !slices.Equal(names, wanted) {
		t.Errorf("%q, want %q", names, wanted)
	}
	again := reading{b: kernel.ByHand{Link: tunnel()}}
	if body2, err := again.readLink(body); err != nil || !bytes.Equal(body2, body) {
		t.Errorf("%v: the message that makes the link is read as\n%x, not\n%x", err, body2, body)
	}
}

// Bytes that end too early are refused, wherever they end.
func TestTruncated(t *testing.T) {
	whole := linkMessage()
	info := bytes.Index(whole, []byte("tun0\x00")) + 8
	for _, size := range []int{0, unix.SizeofIfInfomsg - 1, unix.SizeofIfInfomsg + 5, info + 6, len(whole) - 3} {
		r := reading{b: kernel.ByHand{Link: tunnel()}}
		if _, err := r.readLink(whole[:size]); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%d bytes of a link: %v", size, err)
		}
	}
	short := attributes(unix.SizeofIfAddrmsg, attribute{unix.IFA_CACHEINFO, number(1)})
	if _, err := readAddress(short, tunnel()); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a life time of four bytes: %v", err)
	}
	if _, err := readAddress(make([]byte, unix.SizeofIfAddrmsg), tunnel()); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("no address: %v", err)
	}
	for _, body := range [][]byte{nil, {1}, append(make([]byte, unix.SizeofRtMsg), 3, 0, 1, 0), append(make([]byte, unix.SizeofRtMsg), 9, 0, 1, 0)} {
		if _, err := routeBody(body); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("the route %x: %v", body, err)
		}
	}
	if _, err := bodyBy(append(make([]byte, unix.SizeofRtMsg), 9, 0, 1, 0), 1, 2); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a route whose attribute is longer than it: %v", err)
	}
	if _, err := ruleBy(make([]byte, ruleHeaderSize-1), 3); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("a rule of %d bytes: %v", ruleHeaderSize-1, err)
	}
}

// address returns a message with an address, which has more attributes.
func address(local, peer string, flags uint32, scope byte, more ...attribute) []byte {
	p := want.CIDR(local)
	list := []attribute{{unix.IFA_LOCAL, p.Addr().AsSlice()}, {unix.IFA_ADDRESS, p.Addr().AsSlice()}, {unix.IFA_FLAGS, number(flags)}}
	if peer != "" {
		list[1].value = want.Addr(peer).AsSlice()
	}
	m := attributes(unix.SizeofIfAddrmsg, append(list, more...)...)
	m[0], m[1], m[3] = unix.AF_INET, byte(p.Bits()), scope
	if p.Addr().Is6() {
		m[0] = unix.AF_INET6
	}
	return m
}

// The properties of an address that a profile may not hold are seen.
func TestReadAddress(t *testing.T) {
	leased := attribute{unix.IFA_CACHEINFO, slices.Concat(number(60), number(60), number(0), number(0))}
	for name, c := range map[string]struct {
		m    []byte
		want kernel.HandAddress
	}{
		"plain":          {address("172.16.0.1/30", "", 0, 0), kernel.HandAddress{Prefix: want.CIDR("172.16.0.1/30")}},
		"a peer":         {address("10.1.1.1/24", "10.2.2.2", 0, 0), kernel.HandAddress{Prefix: want.CIDR("10.1.1.1/24"), Peer: want.CIDR("10.2.2.2/24")}},
		"a label":        {address("172.16.0.1/30", "", 0, 0, attribute{unix.IFA_LABEL, []byte("tun0:1\x00")}), kernel.HandAddress{Prefix: want.CIDR("172.16.0.1/30"), Label: "tun0:1"}},
		"its name":       {address("172.16.0.1/30", "", 0, 0, attribute{unix.IFA_LABEL, []byte("tun0\x00")}), kernel.HandAddress{Prefix: want.CIDR("172.16.0.1/30")}},
		"a life time":    {address("172.16.0.1/30", "", 0, 0, leased), kernel.HandAddress{Prefix: want.CIDR("172.16.0.1/30"), Leased: true}},
		"noprefixroute":  {address("172.16.0.1/30", "", unix.IFA_F_NOPREFIXROUTE, 0), kernel.HandAddress{Prefix: want.CIDR("172.16.0.1/30"), Odd: "noprefixroute"}},
		"scope link":     {address("172.16.0.1/30", "", 0, unix.RT_SCOPE_LINK), kernel.HandAddress{Prefix: want.CIDR("172.16.0.1/30"), Odd: "scope link"}},
		"the kernel's":   {address("fe80::5efe:6400:164/64", "", 0, unix.RT_SCOPE_LINK), kernel.HandAddress{Prefix: want.CIDR("fe80::5efe:6400:164/64"), Automatic: true}},
		"somebody's own": {address("fe80::1/64", "", 0, unix.RT_SCOPE_LINK), kernel.HandAddress{Prefix: want.CIDR("fe80::1/64")}},
	} {
		if got, err := readAddress(c.m, tunnel()); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	m := address("172.16.0.1/30", "", 0, 0)
	if m[1] = 33; true {
		if _, err := readAddress(m, tunnel()); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("a prefix of 33 bits: %v", err)
		}
	}
}

// multipath returns a route by two devices.
func multipath(first, second uint32) []byte {
	hop := func(device uint32) []byte {
		b := make([]byte, unix.SizeofRtNexthop)
		wire.Native.PutUint16(b, unix.SizeofRtNexthop)
		b[2] = unix.RTNH_F_LINKDOWN
		wire.Native.PutUint32(b[4:], device)
		return b
	}
	m := attributes(unix.SizeofRtMsg, attribute{unix.RTA_DST, []byte{10, 0, 0, 0}}, attribute{unix.RTA_OIF, number(first)}, attribute{unix.RTA_MULTIPATH, slices.Concat(hop(first), hop(second))})
	m[0], m[1] = unix.AF_INET, 8
	return m
}

// A route goes by another device with each of its nexthops that went by the one, and without a
// state of its devices.
func TestBodyBy(t *testing.T) {
	body, err := routeBody(multipath(9, 3))
	if err == nil {
		body, err = bodyBy(body, 9, 12)
	}
	wanted := multipath(12, 3)
	for at := 0; at+4 <= len(wanted); at += 4 { // no hop has a flag
		if bytes.Equal(wanted[at:at+4], append(wire.Native.AppendUint16(nil, unix.SizeofRtNexthop), unix.RTNH_F_LINKDOWN, 0)) {
			wanted[at+2] = 0
		}
	}
	if err != nil || !bytes.Equal(body, wanted) {
		t.Errorf("%v\n%x, want\n%x", err, body, wanted)
	}
}

// Of an IPv6 route by two devices, the part by one is removed.
func TestOnlyBy(t *testing.T) {
	body := multipath(9, 3)
	if whole, err := onlyBy(body, 9); err != nil || !bytes.Equal(whole, body) {
		t.Errorf("%v: of a route of IPv4\n%x", err, whole)
	}
	body[0] = unix.AF_INET6
	one, err := onlyBy(body, 3)
	wanted := attributes(unix.SizeofRtMsg, attribute{unix.RTA_DST, []byte{10, 0, 0, 0}}, attribute{unix.RTA_OIF, number(3)})
	wanted[0], wanted[1] = unix.AF_INET6, 8
	if err != nil || !bytes.Equal(one, wanted) {
		t.Errorf("%v\n%x, want\n%x", err, one, wanted)
	}
}

// FuzzRead reads a link, an address, a route and a rule from any bytes. The message that restores
// it is read as the same.
func FuzzRead(f *testing.F) {
	f.Add(linkMessage())
	f.Add(address("10.1.1.1/24", "10.2.2.2", unix.IFA_F_NOPREFIXROUTE, unix.RT_SCOPE_LINK, attribute{unix.IFA_LABEL, []byte("tun0:1\x00")}))
	f.Add(address("fe80::1/64", "", 0, 0))
	f.Add(multipath(9, 3))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, link := range []kernel.Link{tunnel(), {Index: 9, Name: "tun0", Kind: "ip6gretap", GRE: &kernel.GRELink{Mode: gre.ModeIP6GRETAP}}, {Name: "eth0"}} {
			r := reading{b: kernel.ByHand{Link: link, Tables: make(map[uint32][]string)}}
			if made, err := r.readLink(body); err == nil {
				again := reading{b: kernel.ByHand{Link: link}}
				if twice, err := again.readLink(made); err != nil || !bytes.Equal(made, twice) {
					t.Errorf("%v\n%x\n%x", err, made, twice)
				}
			}
			if _, err := standInLink(kernel.ByHand{Link: link, Raw: kernel.RawHand{Link: body}}, "nmgre-by9", 2); err == nil && len(body) < unix.SizeofIfInfomsg {
				t.Errorf("a link of %d bytes", len(body))
			}
			if len(body) >= unix.SizeofIfAddrmsg {
				if a, err := readAddress(body, link); err == nil && !a.IsValid() {
					t.Errorf("%+v", a)
				}
			}
			_ = r.route(body, map[int]string{}) // an error, or a route
		}
		sentAgain(t, body)
	})
}

// sentAgain makes the messages that are sent again of one.
func sentAgain(t *testing.T, body []byte) {
	t.Helper()
	route, err := routeBody(body)
	if err != nil {
		return
	}
	if again, err := routeBody(route); err != nil || !bytes.Equal(route, again) {
		t.Errorf("%v\n%x\n%x", err, route, again)
	}
	if _, err := bodyBy(route, 1, 2); err != nil {
		t.Errorf("%v: %x", err, route)
	}
	if _, err := onlyBy(route, 1); err != nil {
		t.Errorf("%v: %x", err, route)
	}
	rule, err := ruleBy(body, unix.RTPROT_BOOT)
	if again, err2 := ruleBy(rule, unix.RTPROT_BOOT); err != nil || err2 != nil || !bytes.Equal(rule, again) {
		t.Errorf("%v, %v\n%x\n%x", err, err2, rule, again)
	}
}

// The link that stands in gets the loose reverse path filter by its index.
func TestLooseFilter(t *testing.T) {
	conf := attributes(0, attribute{rpFilter, number(2)})
	family := attributes(0, attribute{unix.AF_INET, attributes(0, attribute{inetConf, conf})})
	wanted := attributes(unix.SizeofIfInfomsg, attribute{unix.IFLA_AF_SPEC, family})
	wire.Native.PutUint32(wanted[4:], 9)
	if got := looseFilter(9); !bytes.Equal(got, wanted) {
		t.Errorf("%x, want %x", got, wanted)
	}
}

func TestMetricBeside(t *testing.T) {
	for metric, want := range map[uint32]uint32{0: 1, 1: 2, 2: 1, 70: 69, 1024: 1023, 1<<32 - 1: 1<<32 - 2} {
		if got := metricBeside(metric); got != want {
			t.Errorf("beside %d: %d, want %d", metric, got, want)
		}
	}
}
