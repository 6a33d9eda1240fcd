package wire

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// greAttributes encodes attributes, in network byte order where the kernel uses it.
type greAttributes struct{ b []byte }

func (a *greAttributes) be16(kind, v uint16) {
	a.b = AppendAttribute(a.b, kind, binary.BigEndian.AppendUint16(nil, v))
}

func (a *greAttributes) be32(kind uint16, v uint32) {
	a.b = AppendAttribute(a.b, kind, binary.BigEndian.AppendUint32(nil, v))
}

func (a *greAttributes) u8(kind uint16, v uint8) { a.b = AppendAttribute(a.b, kind, []byte{v}) }

func (a *greAttributes) u32(kind uint16, v uint32) { a.b = AppendUint32(a.b, kind, v) }

func (a *greAttributes) addr(kind uint16, v netip.Addr) {
	a.b = AppendAttribute(a.b, kind, v.AsSlice())
}

func (a *greAttributes) fill(f func(a *greAttributes)) []byte { f(a); return a.b }

func TestParseGRE(t *testing.T) {
	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	for name, c := range map[string]struct {
		data func(a *greAttributes)
		want kernel.GRELink
	}{
		"key 0 is a key": {
			func(a *greAttributes) { a.be16(greInFlags, bitKey); a.be32(greInKey, 0); a.be32(greOutKey, 0) },
			kernel.GRELink{Mode: gre.ModeGRE, Local: any4, Remote: any4, InputKey: want.Ptr(gre.Key(0))},
		},
		"a number without its flag is no key": {
			func(a *greAttributes) {
				a.be32(greInKey, 7)
				a.be16(greOutFlags, bitKey)
				a.be32(greOutKey, 0xfffffffe)
			},
			kernel.GRELink{Mode: gre.ModeGRE, Local: any4, Remote: any4, OutputKey: want.Ptr[gre.Key](0xfffffffe)},
		},
		"IPv4": {
			func(a *greAttributes) {
				a.u32(greLink, 3)
				a.addr(greLocal, want.Addr("192.0.2.1"))
				a.addr(greRemote, want.Addr("192.0.2.2"))
				a.u8(greTTL, 64)
				a.u8(greTOS, 0x10)
				a.u8(grePMTUDisc, 1)
				a.be16(greInFlags, bitChecksum)
				a.be16(greOutFlags, bitSequence)
				a.u8(greEncapLimit, 4) // has no meaning for this mode
			},
			kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("192.0.2.2"), Parent: 3, TTL: 64, TOS: 0x10,
				PMTUD: true, Checksum: true, Sequence: true, OneWay: true},
		},
		"IPv6": {
			func(a *greAttributes) {
				a.addr(greLocal, any6)
				a.addr(greRemote, want.Addr("2001:db8::2"))
				a.u8(greEncapLimit, 7)
				a.be32(greFlowInfo, 0x02abcdef)
				a.u32(greFlags, 0x70000|0x40|0x21)
				a.u8(greTOS, 9) // has no meaning for this mode
			},
			kernel.GRELink{Mode: gre.ModeIP6GRE, Local: any6, Remote: want.Addr("2001:db8::2"), EncapLimit: 7, FlowLabel: 0xbcdef, TOS: 0x2a,
				PMTUD: true, Flags: gre.FlagIgnEncapLimit | gre.FlagUseOrigFwmark},
		},
		"external": {
			func(a *greAttributes) { a.b = AppendAttribute(a.b, greCollectMD, nil) },
			kernel.GRELink{Mode: gre.ModeGRETAP, Local: any4, Remote: any4, External: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseGRE(c.want.Mode, (&greAttributes{}).fill(c.data))
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
		if _, err := ParseGRE(gre.ModeGRE, AppendAttribute(nil, kind, nil)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	four := (&greAttributes{}).fill(func(a *greAttributes) { a.addr(greLocal, want.Addr("192.0.2.1")) })
	if _, err := ParseGRE(gre.ModeIP6GRE, four); !errors.Is(err, ErrMalformed) {
		t.Errorf("an IPv4 address of an IPv6 tunnel: %v", err)
	}
}
