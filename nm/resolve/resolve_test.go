package resolve_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm/resolve"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// answers is a resolver with the same answer for every name.
type answers struct {
	list []netip.Addr
	err  error
}

func (a answers) Resolve(context.Context, string, bool) ([]netip.Addr, error) { return a.list, a.err }

func addrs(texts ...string) (list []netip.Addr) {
	for _, text := range texts {
		list = append(list, want.Addr(text))
	}
	return list
}

// One address is taken; of several a person chooses; one that no far end can have does not count.
func TestPeer(t *testing.T) {
	many := make([]netip.Addr, 10_000)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{100, 1, byte(i >> 8), byte(i)})
	}
	for name, c := range map[string]struct {
		asked   resolve.Asked
		answers []netip.Addr
		err     error
		want    string
	}{
		"one":                    {answers: addrs("100.0.2.100"), want: "100.0.2.100"},
		"one, given twice":       {answers: addrs("100.0.2.100", "100.0.2.100"), want: "100.0.2.100"},
		"one, mapped":            {answers: addrs("::ffff:100.0.2.100"), want: "100.0.2.100"},
		"two":                    {answers: addrs("100.0.2.101", "100.0.2.100"), want: "gw.example.org has 2 addresses, and a tunnel has one far end: 100.0.2.100, 100.0.2.101; choose one of them: --peer gw.example.org=100.0.2.100, or --peer gw.example.org=100.0.2.101"},
		"two, one chosen":        {asked: resolve.Asked{Chosen: want.Addr("100.0.2.101")}, answers: addrs("100.0.2.101", "100.0.2.100"), want: "100.0.2.101"},
		"two, one present":       {asked: resolve.Asked{Present: want.Addr("100.0.2.101")}, answers: addrs("100.0.2.101", "100.0.2.100"), want: "100.0.2.101"},
		"the present one is not": {asked: resolve.Asked{Present: want.Addr("100.0.2.9")}, answers: addrs("100.0.2.100"), want: "100.0.2.100"},
		"another is chosen":      {asked: resolve.Asked{Chosen: want.Addr("100.0.2.9")}, answers: addrs("100.0.2.100"), want: "100.0.2.9 is not among the addresses of gw.example.org: 100.0.2.100"},
		"none":                   {want: "no IPv4 address (A) that a far end can have"},
		"an error":               {err: errors.New("server misbehaving\x1b[31m"), want: `gw.example.org could not be looked up: no name server of this host answered the question: server misbehaving\x1b[31m; see whether they answer: getent ahosts gw.example.org`},
		"loopback":               {answers: addrs("127.0.0.1"), want: "packets to 127.0.0.1 never leave this host"},
		"multicast":              {answers: addrs("224.0.0.5"), want: "224.0.0.5 is not the address of one host"},
		"broadcast":              {answers: addrs("255.255.255.255"), want: "255.255.255.255 is not the address of one host"},
		"unspecified":            {answers: addrs("0.0.0.0"), want: "0.0.0.0 is not the address of one host"},
		"this host":              {asked: resolve.Asked{Own: addrs("100.0.1.100")}, answers: addrs("100.0.1.100"), want: "100.0.1.100 is this host's own address"},
		"this host and another":  {asked: resolve.Asked{Own: addrs("100.0.1.100")}, answers: addrs("100.0.1.100", "100.0.2.100"), want: "100.0.2.100"},
		"of the other family":    {answers: addrs("2001:db8::1"), want: "no IPv4 address (A) that a far end can have; it has an IPv6 address (AAAA): for that use --mode ip6gre or ip6gretap"},
		"IPv6, of the other one": {asked: resolve.Asked{V6: true}, answers: addrs("100.0.2.100"), want: "it has an IPv4 address (A): for that use --mode gre or gretap"},
		"IPv6":                   {asked: resolve.Asked{V6: true}, answers: addrs("2001:db8::1", "100.0.2.100"), want: "2001:db8::1"},
		"IPv6, link-local":       {asked: resolve.Asked{V6: true}, answers: addrs("fe80::1"), want: "fe80::1 means nothing without its device"},
		"IPv6, with a zone":      {asked: resolve.Asked{V6: true}, answers: []netip.Addr{want.Addr("2001:db8::1").WithZone("\x1b")}, want: "no IPv6 address (AAAA)"},
		"an invalid one":         {answers: []netip.Addr{{}}, want: "no IPv4 address (A)"},
		"very many":              {answers: many, want: "gw.example.org has 64 addresses"},
	} {
		c.asked.Name = "gw.example.org"
		found, err := resolve.Peer(t.Context(), answers{c.answers, c.err}, c.asked)
		got := found.String()
		if err != nil {
			got = err.Error() + "; " + strings.Join(fault.Hints(err), "; ")
			if c.err == nil {
				want.CheckProblems(t, err)
			} else if errors.Is(err, fault.ErrInvalid) {
				t.Errorf("%s: the request is said to be wrong: %v", name, err)
			}
		}
		if !strings.Contains(got, c.want) || len(got) > 4000 {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if _, err := resolve.Peer(t.Context(), nil, resolve.Asked{Name: "gw"}); err == nil {
		t.Error("nobody was asked")
	}
}

// The value for the far end is a name, a name with its address, or neither.
func TestParse(t *testing.T) {
	long := strings.Repeat("a", 63)
	for text, expected := range map[string]string{
		"gw": "gw", "any": "", "none": "", "any.example": "any.example", "gw.example.org": "gw.example.org", "gw.example.org.": "gw.example.org.", "gw=100.0.2.100": "gw 100.0.2.100", "gw=::1": "gw ::1", "_gre.x-1": "_gre.x-1",
		"100.0.2.100": "", "100.0.2.300": "", "1.2.3": "", "2001:db8::1": "", "": "", ".": "", "a..b": "", "-a": "", "a-.b": "", "a b": "", "a/24": "", "a;b": "", "\x1b": "", "ü": "",
		long: long, long + "a": "", long + "." + long + "." + long + "." + long: "", "100.0.2.100=100.0.2.100": "",
		"gw=": "error", "gw=x": "error", "gw=fe80::1%eth0": "error",
	} {
		asked, is, err := resolve.Parse(text)
		got := asked.Name
		if asked.Chosen.IsValid() {
			got = fmt.Sprint(asked.Name, " ", asked.Chosen)
		}
		if err != nil {
			got = "error"
			want.CheckProblems(t, err)
		}
		if got != expected || is != (expected != "") {
			t.Errorf("%q is %q, %v, want %q", text, got, is, expected)
		}
	}
}
