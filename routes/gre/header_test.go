package gre

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// hexBytes reads hexadecimal digits, in which blanks do not count.
func hexBytes(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// headerText shows a header on one line.
func headerText(h Header) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v%d 0x%04x", h.Version, h.Protocol)
	if h.Key != nil {
		fmt.Fprintf(&b, " key %s", h.Key)
	}
	if h.Checksum {
		b.WriteString(" csum")
	}
	if h.Sequence != nil {
		fmt.Fprintf(&b, " seq %d", *h.Sequence)
	}
	if h.InnerFrom.IsValid() || h.InnerTo.IsValid() {
		fmt.Fprintf(&b, " %s > %s", h.InnerFrom, h.InnerTo)
	}
	if h.EchoReply {
		b.WriteString(" echo reply")
	}
	return b.String()
}

// Packets from 172.16.0.1 to 172.16.0.2 and from fd16::1 to fd16::2.
const (
	inner4 = " 4500 0014 0001 4000 4001 0000 ac100001 ac100002 "
	inner6 = " 60000000 0000 3a 40 fd160000000000000000000000000001 fd160000000000000000000000000002 "
	frame  = " ffffffffffff 020000000001 "
)

func TestParseHeader(t *testing.T) {
	for name, c := range map[string]struct{ packet, want, err string }{
		"plain":                   {"0000 0800" + inner4, "v0 0x0800 172.16.0.1 > 172.16.0.2", ""},
		"key":                     {"2000 0800 0000002a" + inner4, "v0 0x0800 key 42 172.16.0.1 > 172.16.0.2", ""},
		"key 0":                   {"2000 0800 00000000" + inner4, "v0 0x0800 key 0 172.16.0.1 > 172.16.0.2", ""},
		"checksum":                {"8000 0800 ffff0000" + inner4, "v0 0x0800 csum 172.16.0.1 > 172.16.0.2", ""},
		"sequence":                {"1000 0800 00000007" + inner4, "v0 0x0800 seq 7 172.16.0.1 > 172.16.0.2", ""},
		"all of them":             {"b000 0800 ffff0000 ffffffff 00000000" + inner4, "v0 0x0800 key 4294967295 csum seq 0 172.16.0.1 > 172.16.0.2", ""},
		"reserved bits":           {"0ff8 0800" + inner4, "v0 0x0800 172.16.0.1 > 172.16.0.2", ""},
		"IPv6":                    {"2000 86dd 0000002a" + inner6, "v0 0x86dd key 42 fd16::1 > fd16::2", ""},
		"Ethernet":                {"0000 6558" + frame + "0800" + inner4, "v0 0x6558 172.16.0.1 > 172.16.0.2", ""},
		"Ethernet, IPv6":          {"0000 6558" + frame + "86dd" + inner6, "v0 0x6558 fd16::1 > fd16::2", ""},
		"Ethernet, ARP":           {"0000 6558" + frame + "0806" + inner4, "v0 0x6558", ""},
		"Ethernet, cut":           {"0000 6558" + frame + "08", "v0 0x6558", ""},
		"Ethernet in Ethernet":    {"0000 6558" + frame + "6558" + frame + "0800" + inner4, "v0 0x6558", ""},
		"a keepalive":             {"0000 0000", "v0 0x0000", ""},
		"a keepalive as an inner": {"0000 0800 4500 0018 0000 0000 ff2f 0000 64000264 64000164 0000 0000", "v0 0x0800 100.0.2.100 > 100.0.1.100", ""},
		"IPv6 said to be IPv4":    {"0000 0800" + inner6, "v0 0x0800", ""},
		"IPv4 said to be IPv6":    {"0000 86dd" + inner4 + inner4, "v0 0x86dd", ""},
		"MPLS":                    {"0000 8847" + inner4, "v0 0x8847", ""},
		"an echo reply":           {"0000 0800 4500 001c 0001 0000 4001 0000 ac100002 ac100001 0000 0000 0001 0001", "v0 0x0800 172.16.0.2 > 172.16.0.1 echo reply", ""},
		"an echo request":         {"0000 0800 4500 001c 0001 0000 4001 0000 ac100002 ac100001 0800 0000 0001 0001", "v0 0x0800 172.16.0.2 > 172.16.0.1", ""},
		"UDP, as if an answer":    {"0000 0800 4500 001c 0001 0000 4011 0000 ac100002 ac100001 0000 0000 0001 0001", "v0 0x0800 172.16.0.2 > 172.16.0.1", ""},
		"an echo reply, IPv6":     {"0000 86dd 60000000 0008 3a 40 fd160000000000000000000000000002 fd160000000000000000000000000001 8100 0000 0001 0001", "v0 0x86dd fd16::2 > fd16::1 echo reply", ""},
		"inner cut":               {"2000 0800 0000002a 4500 0014", "v0 0x0800 key 42", ""},
		"no inner":                {"2000 0800 0000002a", "v0 0x0800 key 42", ""},

		"nothing":             {"", "v0 0x0000", "cut off"},
		"three bytes":         {"200008", "v0 0x0000", "cut off"},
		"key cut":             {"2000 0800 00002a", "v0 0x0800", "cut off"},
		"checksum, key cut":   {"a000 0800 ffff0000", "v0 0x0800 csum", "cut off"},
		"sequence cut":        {"3000 0800 0000002a 000000", "v0 0x0800 key 42", "cut off"},
		"checksum cut":        {"a000 0800 ffff", "v0 0x0800 csum", "cut off"},
		"routing":             {"4000 0800 ffff0000 00000000" + inner4, "v0 0x0800", "RFC 1701"},
		"checksum, routing":   {"c000 0800 ffff0000 00000000" + inner4, "v0 0x0800 csum", "RFC 1701"},
		"version 2":           {"2002 0800 0000002a" + inner4, "v2 0x0800", "version 2"},
		"version 7":           {"0007 0800" + inner4, "v7 0x0800", "version 7"},
		"PPTP":                {"3081 880b 00040001 00000005 00000006 ff03c021", "v1 0x880b seq 5", ""},
		"PPTP, acknowledges":  {"2081 880b 00000001 00000006", "v1 0x880b", ""},
		"PPTP, sequence cut":  {"3001 880b 00040001 0000", "v1 0x880b", "cut off"},
		"EoIP":                {"2001 6400 003c 2a00" + frame + "0800" + inner4, "v1 0x6400", ""},
		"EoIP, nothing in it": {"2001 6400 0000 2a00", "v1 0x6400", ""},
		"EoIP, cut":           {"2001 6400 0000", "v1 0x6400", "cut off"},
	} {
		h, err := ParseHeader(hexBytes(t, c.packet))
		if got := headerText(h); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseHeader checks that no packet does harm, that the fields come from the bits that announce
// them, and that a cut never changes a field, but at most takes it away.
func FuzzParseHeader(f *testing.F) {
	for _, digits := range []string{
		"0000 0800" + inner4, "b000 86dd ffff0000 ffffffff 00000000" + inner6, "0000 6558" + frame + "0800" + inner4, "3081 880b 00040001 00000005 00000006",
		"4000 0800", "0002 0800",
	} {
		f.Add(hexBytes(f, digits))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if len(b) < leastHeader {
			if err == nil || h != (Header{}) {
				t.Fatalf("% x: %s", b, headerText(h))
			}
			return
		}
		if err == nil && (h.Version > 1 || (h.Key != nil) != (h.Version == 0 && b[0]&0x20 != 0) || (h.Sequence != nil) != (b[0]&0x10 != 0)) {
			t.Fatalf("% x: %s", b, headerText(h))
		}
		for size := range b {
			cut, cutErr := ParseHeader(b[:size])
			if cut.Key != nil && !SameKey(cut.Key, h.Key) || cut.Sequence != nil && (h.Sequence == nil || *cut.Sequence != *h.Sequence) ||
				cut.InnerTo.IsValid() && cut.InnerTo != h.InnerTo || size >= leastHeader && err != nil && cutErr == nil {
				t.Fatalf("% x: %s, cut to %d bytes %s", b, headerText(h), size, headerText(cut))
			}
		}
	})
}
