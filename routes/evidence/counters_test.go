package evidence

import "testing"

const netstatText = `TcpExt: SyncookiesSent IPReversePathFilter TCPFromZeroWindowAdv
TcpExt: 0 42 18446744073709551615
IpExt: InNoRoutes InAddrErrors
IpExt: 7 8
Ip: Forwarding InAddrErrors InHdrErrors
Ip: 1 9
Short: One Two Three
Short: 1 2
Wrong: Number
Wrong: -1
Alone: Number
`

func TestCounter(t *testing.T) {
	for name, c := range map[string]struct {
		group, name string
		want        uint64
		found       bool
	}{
		"in the middle":    {"TcpExt:", "IPReversePathFilter", 42, true},
		"the largest":      {"TcpExt:", "TCPFromZeroWindowAdv", 1<<64 - 1, true},
		"of the group":     {"Ip:", "InAddrErrors", 9, true},
		"no such group":    {"Udp:", "InErrors", 0, false},
		"no such counter":  {"TcpExt:", "None", 0, false},
		"no number for it": {"Short:", "Three", 0, false},
		"negative":         {"Wrong:", "Number", 0, false},
		"no second line":   {"Alone:", "Number", 0, false},
		"the group itself": {"TcpExt:", "TcpExt:", 0, false},
	} {
		if got, found := counter(netstatText, c.group, c.name); got != c.want || found != c.found {
			t.Errorf("%s: %d, %v", name, got, found)
		}
	}
}

func TestGrown(t *testing.T) {
	for _, c := range []struct{ before, now, want uint64 }{{0, 0, 0}, {3, 5, 2}, {5, 3, 0}, {0, 1<<64 - 1, 1<<64 - 1}} {
		if got := grown(c.before, c.now); got != c.want {
			t.Errorf("from %d to %d: %d", c.before, c.now, got)
		}
	}
}

// FuzzCounter checks that no text does harm.
func FuzzCounter(f *testing.F) {
	f.Add(netstatText, "TcpExt:", "IPReversePathFilter")
	f.Fuzz(func(t *testing.T, text, group, name string) {
		if n, found := counter(text, group, name); !found && n != 0 {
			t.Errorf("%q: %d", text, n)
		}
	})
}
