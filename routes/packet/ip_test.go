package packet

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"nmgre/testdata/want"
)

// bytes reads hexadecimal digits, in which blanks do not count.
func bytes(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The addresses of a header: from 192.0.2.1 to 192.0.2.2, and from 2001:db8::1 to 2001:db8::2.
const (
	addresses4 = " c0000201 c0000202 "
	addresses6 = " 20010db8000000000000000000000001 20010db8000000000000000000000002 "
)

func TestParseIP(t *testing.T) {
	for name, c := range map[string]struct {
		packet   string
		protocol uint8
		ttl      uint8
		bytes    int
		payload  string
	}{
		"IPv4":                  {"4500 0018 1234 4000 402f 0000" + addresses4 + "00000800", 47, 64, 24, "00000800"},
		"options":               {"4600 001c 1234 4000 402f 0000" + addresses4 + "01010101 00000800", 47, 64, 28, "00000800"},
		"padding":               {"4500 0018 1234 4000 ff2f 0000" + addresses4 + "00000800 00000000", 47, 255, 24, "00000800"},
		"payload cut":           {"4500 05dc 1234 4000 402f 0000" + addresses4 + "00", 47, 64, 1500, "00"},
		"no payload":            {"4500 05dc 1234 4000 402f 0000" + addresses4, 47, 64, 1500, ""},
		"a length of 0":         {"4500 0000 1234 4000 402f 0000" + addresses4 + "00000800", 47, 64, 0, "00000800"},
		"first fragment":        {"4500 0018 1234 2000 402f 0000" + addresses4 + "00000800", 47, 64, 24, "00000800"},
		"later fragment":        {"4500 0018 1234 0001 402f 0000" + addresses4 + "00000800", 47, 64, 24, ""},
		"IPv6":                  {"60000000 0004 2f 40" + addresses6 + "00000800", 47, 64, 44, "00000800"},
		"IPv6, padding":         {"60000000 0004 2f 40" + addresses6 + "00000800 0000", 47, 64, 44, "00000800"},
		"encapsulation limit":   {"60000000 000c 3c 40" + addresses6 + "2f00 040104 010100 00000800", 47, 64, 52, "00000800"},
		"long options":          {"60000000 0014 3c 40" + addresses6 + "2f01 040104010100 0000000000000000 00000800", 47, 64, 60, "00000800"},
		"hop by hop, routing":   {"60000000 0014 00 01" + addresses6 + "2b00000000000000 2f00000000000000 00000800", 47, 1, 60, "00000800"},
		"options cut":           {"60000000 0014 3c 40" + addresses6 + "2f01000000000000 00", 60, 64, 60, "2f0100000000000000"},
		"options of 7 bytes":    {"60000000 000c 3c 40" + addresses6 + "2f000401040101", 60, 64, 52, "2f000401040101"},
		"nothing behind":        {"60000000 000c 3c 40" + addresses6, 60, 64, 52, ""},
		"IPv6, first fragment":  {"60000000 000c 2c 40" + addresses6 + "2f000001 00000001 00000800", 47, 64, 52, "00000800"},
		"IPv6, later fragment":  {"60000000 000c 2c 40" + addresses6 + "2f000008 00000001 00000800", 44, 64, 52, ""},
		"nine extensions":       {"60000000 004c 3c 40" + addresses6 + strings.Repeat("3c00000000000000", 8) + "2f00000000000000 00000800", 60, 64, 116, "2f00000000000000 00000800"},
		"IPv6, a length of 0":   {"60000000 0000 2f 40" + addresses6 + "00000800", 47, 64, 40, ""},
		"IPv6, TCP, no options": {"60000000 0004 06 40" + addresses6 + "00000800", 6, 64, 44, "00000800"},
	} {
		got, err := ParseIP(bytes(t, c.packet))
		from, to := want.Addr("192.0.2.1"), want.Addr("192.0.2.2")
		if c.packet[0] == '6' {
			from, to = want.Addr("2001:db8::1"), want.Addr("2001:db8::2")
		}
		if err != nil || got.From != from || got.To != to || got.Protocol != c.protocol || got.TTL != c.ttl || got.Bytes != c.bytes {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if payload := hex.EncodeToString(got.Payload); payload != strings.ReplaceAll(c.payload, " ", "") {
			t.Errorf("%s: the payload is %s", name, payload)
		}
	}
}

func TestParseIPRefuses(t *testing.T) {
	four, six := bytes(t, "4500 0018 1234 4000 402f 0000"+addresses4), bytes(t, "60000000 0004 2f 40"+addresses6)
	for name, b := range map[string][]byte{
		"nothing": nil, "IPv4, 19 bytes": four[:19], "IPv6, 39 bytes": six[:39], "version 5": append([]byte{0x55}, six[1:]...),
		"a header of 16 bytes": append([]byte{0x44}, four[1:]...), "options cut": append([]byte{0x46}, four[1:]...), "ARP": bytes(t, "0001 0800 0604 0001"),
	} {
		if got, err := ParseIP(b); err == nil || got.From != (netip.Addr{}) || got.Payload != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// FuzzParseIP checks that no packet does harm, and that the payload is the packet's end or nothing.
func FuzzParseIP(f *testing.F) {
	f.Add(bytes(f, "4500 0018 1234 4000 402f 0000"+addresses4+"00000800"))
	f.Add(bytes(f, "60000000 0014 00 01"+addresses6+"2b00000000000000 2f00000000000000 00000800"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, err := ParseIP(b)
		if err != nil {
			return
		}
		if ip.From.BitLen() != ip.To.BitLen() || !ip.From.IsValid() || ip.Bytes < 0 || ip.Bytes > ip6Header+0xffff || len(ip.Payload) > len(b)-ip4Header {
			t.Errorf("% x: %+v", b, ip)
		}
		if !strings.Contains(string(b), string(ip.Payload)) {
			t.Errorf("% x: the payload is not in it", b)
		}
	})
}
