package routes

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"nmgre"
)

func keyOf(n nmgre.Key) *nmgre.Key { return &n }

// greAttributes encodes attributes in network order where the kernel does.
type greAttributes struct{ b []byte }

func (a *greAttributes) be16(kind, v uint16) {
	a.b = appendAttribute(a.b, kind, binary.BigEndian.AppendUint16(nil, v))
}
func (a *greAttributes) be32(kind uint16, v uint32) {
	a.b = appendAttribute(a.b, kind, binary.BigEndian.AppendUint32(nil, v))
}
func (a *greAttributes) u8(kind uint16, v uint8)   { a.b = appendAttribute(a.b, kind, []byte{v}) }
func (a *greAttributes) u32(kind uint16, v uint32) { a.b = appendUint32(a.b, kind, v) }
func (a *greAttributes) addr(kind uint16, v netip.Addr) {
	a.b = appendAttribute(a.b, kind, v.AsSlice())
}
func (a *greAttributes) fill(f func(a *greAttributes)) []byte { f(a); return a.b }

func TestParseGRE(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	for name, c := range map[string]struct {
		data func(a *greAttributes)
		want nmgre.GRELink
	}{
		"key 0 is a key": {
			func(a *greAttributes) { a.be16(greInFlags, bitKey); a.be32(greInKey, 0); a.be32(greOutKey, 0) },
			nmgre.GRELink{Mode: nmgre.ModeGRE, Local: any4, Remote: any4, InputKey: keyOf(0)},
		},
		"a number without its flag is no key": {
			func(a *greAttributes) {
				a.be32(greInKey, 7)
				a.be16(greOutFlags, bitKey)
				a.be32(greOutKey, 0xfffffffe)
			},
			nmgre.GRELink{Mode: nmgre.ModeGRE, Local: any4, Remote: any4, OutputKey: keyOf(0xfffffffe)},
		},
		"IPv4": {
			func(a *greAttributes) {
				a.u32(greLink, 3)
				a.addr(greLocal, addr("192.0.2.1"))
				a.addr(greRemote, addr("192.0.2.2"))
				a.u8(greTTL, 64)
				a.u8(greTOS, 0x10)
				a.u8(grePMTUDisc, 1)
				a.be16(greInFlags, bitChecksum)
				a.be16(greOutFlags, bitSequence)
				a.u8(greEncapLimit, 4) // of no meaning for this mode
			},
			nmgre.GRELink{Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("192.0.2.2"), Parent: 3, TTL: 64, TOS: 0x10,
				PMTUD: true, Checksum: true, Sequence: true},
		},
		"IPv6": {
			func(a *greAttributes) {
				a.addr(greLocal, any6)
				a.addr(greRemote, addr("2001:db8::2"))
				a.u8(greEncapLimit, 7)
				a.be32(greFlowInfo, 0x02abcdef)
				a.u32(greFlags, 0x70000|0x40|0x21)
				a.u8(greTOS, 9) // of no meaning for this mode
			},
			nmgre.GRELink{Mode: nmgre.ModeIP6GRE, Local: any6, Remote: addr("2001:db8::2"), EncapLimit: 7, FlowLabel: 0xbcdef, TOS: 0x2a,
				PMTUD: true, Flags: nmgre.FlagIgnEncapLimit | nmgre.FlagUseOrigFwmark},
		},
		"external": {
			func(a *greAttributes) { a.b = appendAttribute(a.b, greCollectMD, nil) },
			nmgre.GRELink{Mode: nmgre.ModeGRETAP, Local: any4, Remote: any4, External: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseGRE(c.want.Mode, (&greAttributes{}).fill(c.data))
			if err != nil || !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestParseGREMalformed(t *testing.T) {
	for name, kind := range map[string]uint16{
		"link": greLink, "flags": greInFlags, "key": greOutKey, "local": greLocal, "ttl": greTTL, "tos": greTOS, "pmtudisc": grePMTUDisc,
	} {
		if _, err := parseGRE(nmgre.ModeGRE, appendAttribute(nil, kind, nil)); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	four := (&greAttributes{}).fill(func(a *greAttributes) { a.addr(greLocal, addr("192.0.2.1")) })
	if _, err := parseGRE(nmgre.ModeIP6GRE, four); !errors.Is(err, errMalformed) {
		t.Errorf("an IPv4 address of an IPv6 tunnel: %v", err)
	}
}

// TestRecordedGRE reads what a kernel has said of tunnels; the words that made them stand beside the records.
func TestRecordedGRE(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	want := map[string]nmgre.GRELink{
		"gre0":    {Mode: nmgre.ModeGRE, Local: any4, Remote: any4},
		"ip6gre0": {Mode: nmgre.ModeIP6GRE, Local: any6, Remote: any6, PMTUD: true},
		"tun1": {Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("192.0.2.2"), InputKey: keyOf(0), OutputKey: keyOf(7),
			TTL: 64, TOS: 0x10},
		"tun2": {Mode: nmgre.ModeGRE, Local: any4, Remote: addr("192.0.2.3"), Parent: 8, TOS: 1, PMTUD: true},
		"tun3": {Mode: nmgre.ModeGRETAP, Local: any4, Remote: addr("192.0.2.4"), Checksum: true, Sequence: true},
		"tun4": {Mode: nmgre.ModeIP6GRE, Local: addr("2001:db8::1"), Remote: addr("2001:db8::2"), InputKey: keyOf(5), OutputKey: keyOf(5),
			TTL: 64, TOS: 0x2a, EncapLimit: 7, FlowLabel: 0xbcdef, PMTUD: true},
		"tun5": {Mode: nmgre.ModeIP6GRETAP, Local: any6, Remote: addr("2001:db8::3"), TTL: 64, EncapLimit: 4, PMTUD: true,
			Flags: nmgre.FlagIgnEncapLimit | nmgre.FlagUseOrigTClass | nmgre.FlagUseOrigFlowLabel | nmgre.FlagRcvDSCPCopy | nmgre.FlagUseOrigFwmark},
		"tun6": {Mode: nmgre.ModeIP6GRE, Local: any6, Remote: addr("2001:db8::4"), TTL: 64, EncapLimit: 4, PMTUD: true},
		"tun7": {Mode: nmgre.ModeGRETAP, Local: any4, Remote: any4, External: true, PMTUD: true},
		"tun8": {Mode: nmgre.ModeIP6GRETAP, Local: any6, Remote: any6, External: true, PMTUD: true},
	}
	for name, message := range fixtures(t, "links.txt") {
		link, err := parseLink(message)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w, isGRE := want[name]
		switch {
		case isGRE != (link.GRE != nil):
			t.Errorf("%s: %+v", name, link)
		case isGRE && !reflect.DeepEqual(*link.GRE, w):
			t.Errorf("%s\ngot  %+v\nwant %+v", name, *link.GRE, w)
		}
		delete(want, name)
		for n := range message {
			_, _ = parseLink(message[:n]) // must not panic
		}
	}
	if len(want) > 0 {
		t.Errorf("not recorded: %v", want)
	}
}
