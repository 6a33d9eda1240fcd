package wire

import (
	"bytes"
	"errors"
	"testing"

	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// A change of some options leaves the rest of the attributes as the kernel has told them.
func TestChangeGRE(t *testing.T) {
	data := (&greAttributes{}).fill(func(a *greAttributes) {
		a.be16(greInFlags, bitKey|bitSequence)
		a.be16(greOutFlags, bitKey)
		a.be32(greInKey, 7)
		a.be32(greOutKey, 8)
		a.addr(greRemote, want.Addr("192.0.2.2"))
		a.u8(greTTL, 64)
		a.u8(grePMTUDisc, 0)
		a.u8(greIgnoreDF, 0)
		a.u32(200, 77) // an attribute of a later kernel
	})
	for _, c := range []struct {
		on, off gre.LinkOptions
		want    gre.LinkOptions
	}{
		{gre.LinkOptions{Checksum: true}, gre.LinkOptions{}, gre.LinkOptions{Checksum: true, Sequence: true}},
		{gre.LinkOptions{Checksum: true, IgnoreDF: true}, gre.LinkOptions{Sequence: true}, gre.LinkOptions{Checksum: true, IgnoreDF: true}},
		{gre.LinkOptions{Sequence: true}, gre.LinkOptions{IgnoreDF: true}, gre.LinkOptions{Sequence: true}},
		{gre.LinkOptions{}, gre.LinkOptions{}, gre.LinkOptions{Sequence: true}},
	} {
		changed, err := ChangeGRE(data, c.on, c.off)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := ParseGRE(gre.ModeGRE, data)
		link, err := ParseGRE(gre.ModeGRE, changed)
		if err != nil || (gre.LinkOptions{IgnoreDF: link.IgnoreDF, Checksum: link.Checksum, Sequence: link.Sequence}) != c.want {
			t.Errorf("%v on, %v off: %+v, %v", c.on, c.off, link, err)
			continue
		}
		link.Checksum, link.Sequence, link.OneWay, link.IgnoreDF = before.Checksum, before.Sequence, before.OneWay, before.IgnoreDF
		if *link.InputKey != 7 || *link.OutputKey != 8 || link.Remote != before.Remote || link.TTL != 64 || link.PMTUD {
			t.Errorf("%v on, %v off: something else has changed: %+v", c.on, c.off, link)
		}
		if !bytes.Contains(changed, AppendUint32(nil, 200, 77)) {
			t.Errorf("%v on, %v off: an attribute that nmgre does not know is lost", c.on, c.off)
		}
	}
	odd := AppendAttribute(nil, greInFlags, []byte{1})
	if _, err := ChangeGRE(odd, gre.LinkOptions{Checksum: true}, gre.LinkOptions{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("flags of one byte: %v", err)
	}
	if _, err := ChangeGRE([]byte{9, 0, 1}, gre.LinkOptions{}, gre.LinkOptions{}); err != nil {
		t.Errorf("an end that is no attribute: %v", err)
	}
}
