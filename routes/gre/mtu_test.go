package gre

import "testing"

// The rest of 1500 bytes: measured on a kernel for gre, by the headers' sizes for the rest.
func TestEncapsulationMTU(t *testing.T) {
	columns := []Encapsulation{
		{Mode: ModeGRE}, {Mode: ModeGRETAP}, {Mode: ModeIP6GRE}, {Mode: ModeIP6GRE, NoEncapLimit: true}, {Mode: ModeIP6GRETAP},
		{Mode: ModeIP6GRETAP, NoEncapLimit: true},
	}
	type options struct{ key, checksum, sequence bool }
	for _, row := range []struct {
		options []options
		want    [6]int
	}{
		{[]options{{}}, [6]int{1476, 1462, 1448, 1456, 1434, 1442}},
		{[]options{{key: true}, {checksum: true}, {sequence: true}}, [6]int{1472, 1458, 1444, 1452, 1430, 1438}},
		{[]options{{true, true, false}, {true, false, true}, {false, true, true}}, [6]int{1468, 1454, 1440, 1448, 1426, 1434}},
		{[]options{{true, true, true}}, [6]int{1464, 1450, 1436, 1444, 1422, 1430}},
	} {
		for _, o := range row.options {
			for i, e := range columns {
				e.Key, e.Checksum, e.Sequence = o.key, o.checksum, o.sequence
				if got := e.MTU(1500); got != row.want[i] {
					t.Errorf("%+v: MTU %d, want %d", e, got, row.want[i])
				}
				if e.Overhead() != 1500-row.want[i] {
					t.Errorf("%+v: overhead %d, want %d", e, e.Overhead(), 1500-row.want[i])
				}
			}
		}
	}
}

func TestEncapsulationMTUIsNeverNegative(t *testing.T) {
	for _, underlay := range []int{0, 1, 23, 24} {
		if got := (Encapsulation{Mode: ModeGRE}).MTU(underlay); got != 0 {
			t.Errorf("MTU(%d) = %d", underlay, got)
		}
	}
	if got := (Encapsulation{Mode: ModeGRE}).MTU(25); got != 1 {
		t.Errorf("MTU(25) = %d", got)
	}
}

func TestArithmetic(t *testing.T) {
	for _, test := range []struct {
		e        Encapsulation
		underlay int
		want     string
	}{
		{Encapsulation{Mode: ModeGRE}, 1500, "1500 - 20 (IPv4) - 4 (GRE) = 1476"},
		{Encapsulation{Mode: ModeGRE, Key: true}, 1400, "1400 - 20 (IPv4) - 4 (GRE) - 4 (key) = 1372"},
		{Encapsulation{Mode: ModeGRE, Checksum: true, Key: true, Sequence: true}, 1500,
			// the order on the wire, RFC 2890
			"1500 - 20 (IPv4) - 4 (GRE) - 4 (checksum) - 4 (key) - 4 (sequence) = 1464"},
		{Encapsulation{Mode: ModeGRETAP}, 1500, "1500 - 20 (IPv4) - 4 (GRE) - 14 (Ethernet) = 1462"},
		{Encapsulation{Mode: ModeIP6GRE}, 1500, "1500 - 40 (IPv6) - 8 (encapsulation limit) - 4 (GRE) = 1448"},
		{Encapsulation{Mode: ModeIP6GRE, NoEncapLimit: true}, 1280, "1280 - 40 (IPv6) - 4 (GRE) = 1236"},
		{Encapsulation{Mode: ModeIP6GRETAP, Key: true}, 1500,
			"1500 - 40 (IPv6) - 8 (encapsulation limit) - 4 (GRE) - 4 (key) - 14 (Ethernet) = 1430"},
	} {
		if got := test.e.Arithmetic(test.underlay); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
