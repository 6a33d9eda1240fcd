package keep

import (
	"testing"

	"nmgre/routes/fault"
)

func TestParseSNAT(t *testing.T) {
	for _, text := range []string{"10.10.2.0/24=10.10.2.1", "0.0.0.0/0=masquerade", "2001:db8::/32=2001:db8::1"} {
		if s, err := ParseSNAT(text); err != nil || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "10.10.2.0/24", "=", "10.10.2.0/24=", "10.10.2.0/24=eth0", "10.10.2.0/24=0.0.0.0", "x=10.10.2.1", "10.10.2.0/24=224.0.0.1", "fe80::1%eth0=masquerade", "10.10.2.0/24=::ffff:10.0.0.1",
		"::ffff:10.10.2.0/120=masquerade", "10.10.2.0/24=127.0.0.1", "::/0=::1", "10.10.2.0/24=255.255.255.255", "10.10.2.0/24=masquerade=x", " 10.10.2.0/24=masquerade"} {
		if s, err := ParseSNAT(text); err == nil || len(fault.Hints(err)) != 1 {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
}
