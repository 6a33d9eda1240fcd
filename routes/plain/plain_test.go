package plain_test

import (
	"testing"

	"nmgre/routes/plain"
)

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.10.2.0/24": "10.10.2.0/24|", "10.0.0.2": "10.0.0.2/32|", "0.0.0.0/0 x": "0.0.0.0/0| x", "255.255.255.255/32": "255.255.255.255/32|", "10.0.0.2 table 5": "10.0.0.2/32| table 5",
	} {
		n, rest, ok := plain.Network([]byte(text))
		if got := n.String() + "|" + string(rest); !ok || got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "10.0.0", "10.0.0.", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/08", "010.0.0.0/8", "256.0.0.0/8", "1000.0.0.0/8", "10..0.0/8", "10.0.0.0/", "2001:db8::/32", "default"} {
		if n, _, ok := plain.Network([]byte(text)); ok {
			t.Errorf("%q is the network %s", text, n)
		}
	}
}

func TestWord(t *testing.T) {
	for text, want := range map[string]uint32{" table 0": 0, " table 4294967295": 1<<32 - 1, " table 1000 x": 1000} {
		if n, _, ok := plain.Word([]byte(text), " table "); !ok || n != want {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", " table ", " table x", " table 4294967296", " table 99999999999", " table 010", "table 5"} {
		if n, _, ok := plain.Word([]byte(text), " table "); ok {
			t.Errorf("%q: %d", text, n)
		}
	}
}
