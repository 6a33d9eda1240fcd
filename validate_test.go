package nmgre

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A file of testdata/domain/validate is one tunnel: a line for each of its fields, named as the flags of `nmgre create` are, a rule,
// and what is wrong with it, or "valid".
const rule = "----------"

func TestProblems(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "domain", "validate", "*.txt"))
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, _, found := strings.Cut(string(text), rule+"\n")
			if !found {
				t.Fatalf("there is no line %s", rule)
			}
			tunnel, err := readTunnel(input)
			if err == nil {
				err = tunnel.Validate()
			}
			got := problemText(err)
			if err == nil {
				got = "valid\n"
			}
			golden(t, "validate/"+name+".txt", input+rule+"\n"+got)
			checkProblems(t, err)
		})
	}
}

// checkProblems looks at what all problems have: a field, what was wrong, what would be right, and nothing that acts on a terminal.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	for _, problem := range flatten(err) {
		var e *Error
		if !errors.As(problem, &e) || !errors.Is(problem, ErrInvalid) || e.Field == "" || e.What == "" || e.Hint == "" {
			t.Errorf("%q is not a complete problem: field %q, what %q, hint %q", problem, e.Field, e.What, e.Hint)
			continue
		}
		if text := e.Error() + e.Hint; Printable(text) != text {
			t.Errorf("%q would act on a terminal", text)
		}
		if strings.Contains(e.Error()+e.Hint, "invalid ") || strings.Contains(e.Error()+e.Hint, "unknown") || strings.Contains(e.Error(), "%!") {
			t.Errorf("%q %q shows what is not there", e.Error(), e.Hint)
		}
	}
}

// readTunnel reads a fixture's fields into the defaults of a new tunnel. Where the domain has a parser for a field it is used.
func readTunnel(text string) (Tunnel, error) {
	t := NewTunnel()
	var errs []error
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if strings.HasPrefix(field, "#") || field == "" {
			continue
		}
		if quoted, err := strconv.Unquote(value); err == nil {
			value = quoted
		}
		if err := setField(&t, field, value); err != nil {
			errs = append(errs, err)
		}
	}
	return t, errors.Join(errs...)
}

func setField(t *Tunnel, field, value string) (err error) {
	switch field {
	case "name":
		t.Name = value
	case "mode":
		if value == "none" {
			t.Mode = 0
			return nil
		}
		t.Mode, err = ParseMode(value)
	case "peer":
		t.Remote = addr(value)
	case "local":
		t.Local = addr(value)
	case "parent":
		t.Parent = value
	case "address":
		t.Addresses = append(t.Addresses, cidr(value))
	case "peer-address":
		t.PeerAddress = addr(value)
	case "route":
		var r Route
		r, err = ParseRoute(value)
		t.Routes = append(t.Routes, r)
	case "key", "input-key", "output-key":
		err = setKey(t, field, value)
	case "no-pmtud":
		t.NoPMTUD = true
	case "no-autoconnect":
		t.Autoconnect = false
	default:
		err = setNumber(t, field, value)
	}
	return err
}

func setKey(t *Tunnel, field, value string) error {
	k, err := ParseKey(value)
	if field != "output-key" {
		t.InputKey = &k
	}
	if field != "input-key" {
		t.OutputKey = &k
	}
	return err
}

func setNumber(t *Tunnel, field, value string) error {
	n, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		return err
	}
	switch field {
	case "ttl":
		t.TTL = uint8(n)
	case "tos":
		t.TOS = uint8(n)
	case "mtu":
		t.MTU = uint32(n)
	case "encap-limit":
		t.EncapLimit = uint8(n)
	case "flow-label":
		t.FlowLabel = uint32(n)
	case "flags":
		t.Flags = TunnelFlags(n)
	default:
		return fmt.Errorf("the fixture has an unknown field %q", field)
	}
	return nil
}

// What no text can say, but a program can.
func TestProblemsOfPrograms(t *testing.T) {
	base := func() Tunnel {
		t := NewTunnel()
		t.Remote, t.Addresses = addr("100.0.2.100"), cidrs("172.16.0.1/30")
		return t
	}
	if err := base().Validate(); err != nil {
		t.Fatalf("the base is not valid: %v", err)
	}
	for _, test := range []struct {
		name   string
		change func(*Tunnel)
		want   string
	}{
		{"invalid prefix", func(t *Tunnel) { t.Addresses = append(t.Addresses, netip.Prefix{}) }, "address: an address is missing"},
		{"route without a destination", func(t *Tunnel) { t.Routes = []Route{{}} }, "route: the destination is missing"},
		{"route with host bits", func(t *Tunnel) { t.Routes = []Route{{Dst: cidr("10.10.2.1/24")}} }, "route: the destination is missing, or has bits"},
		{"locked mtu without one", func(t *Tunnel) { t.Routes = []Route{{Dst: cidr("10.10.2.0/24"), MTULock: true}} }, "route: 10.10.2.0/24: an mtu is locked but not given"},
		{"weight above 256", func(t *Tunnel) {
			t.Routes = []Route{{Dst: cidr("10.10.2.0/24"), Nexthops: []Nexthop{{Weight: 257}, {Dev: "gre2"}}}}
		}, "route: 10.10.2.0/24: a weight out of range"},
		{"IPv4 in IPv6 as inner address", func(t *Tunnel) { t.Addresses = []netip.Prefix{netip.PrefixFrom(addr("::ffff:172.16.0.1"), 120)} }, "address: ::ffff:172.16.0.1/120 is no address"},
		{"control characters in a zone", func(t *Tunnel) {
			t.Mode, t.Remote = ModeIP6GRE, addr("2001:db8::1").WithZone("\x1b[31m")
		}, `peer: 2001:db8::1%\x1b[31m has a zone`},
		{"control characters in a zone, wrong family", func(t *Tunnel) { t.Remote = addr("2001:db8::1").WithZone("\x1b[31m") }, `peer: 2001:db8::1%\x1b[31m is an IPv6 address`},
		{"control characters in a zone, loopback", func(t *Tunnel) { t.Mode, t.Remote = ModeIP6GRE, addr("::1").WithZone("\x1b[31m") }, `peer: ::1%\x1b[31m never leaves`},
		{"control characters in a zone, multicast", func(t *Tunnel) { t.Mode, t.Remote = ModeIP6GRE, addr("ff02::1").WithZone("\x1b[31m") }, `peer: ff02::1%\x1b[31m is no address`},
		{"control characters in a zone of the peer address", func(t *Tunnel) { t.PeerAddress = addr("fe80::1").WithZone("\x1b[31m") }, `peer-address: fe80::1%\x1b[31m is no address`},
		{"control characters in a parent", func(t *Tunnel) { t.Parent = "\x1b[31m" }, `parent: `},
	} {
		tunnel := base()
		test.change(&tunnel)
		err := tunnel.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		checkProblems(t, err)
	}
}

func TestIsUUID(t *testing.T) {
	for _, s := range []string{newUUID(), "00000000-0000-4000-8000-000000000001", "ABCDEFAB-cdef-4000-8000-000000000001"} {
		if !IsUUID(s) {
			t.Errorf("IsUUID(%q) = false", s)
		}
	}
	for _, s := range []string{"", "eth0", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-0000000000011", "00000000x0000-4000-8000-000000000001", "g0000000-0000-4000-8000-000000000001"} {
		if IsUUID(s) {
			t.Errorf("IsUUID(%q) = true", s)
		}
	}
}

func TestNewUUID(t *testing.T) {
	a, b := newUUID(), newUUID()
	if a == b || !IsUUID(a) || a[14] != '4' || !strings.ContainsRune("89ab", rune(a[19])) {
		t.Errorf("newUUID: %s, %s", a, b)
	}
}

func TestLastAddr(t *testing.T) {
	for prefix, want := range map[string]string{
		"172.16.0.1/30": "172.16.0.3", "10.0.0.0/8": "10.255.255.255", "10.1.2.3/32": "10.1.2.3", "10.1.2.3/31": "10.1.2.3",
		"192.168.4.0/22": "192.168.7.255", "0.0.0.0/0": "255.255.255.255", "2001:db8::/64": "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/127": "2001:db8::1",
	} {
		if got := lastAddr(cidr(prefix)); got != addr(want) {
			t.Errorf("lastAddr(%s) = %s, want %s", prefix, got, want)
		}
	}
}

// What is cloned shares nothing: changing the copy leaves the original as it was.
func TestClone(t *testing.T) {
	original := NewTunnel()
	original.InputKey, original.OutputKey = ptr(Key(1)), ptr(Key(2))
	original.Addresses = cidrs("172.16.0.1/30")
	original.Routes = []Route{route(t, "10.0.0.0/8 metric 5 nexthop weight 1 nexthop dev gre2")}
	before := fmt.Sprint(original.CreateCommand(), original.Routes)
	c := original.Clone()
	*c.InputKey, *c.OutputKey, c.Addresses[0], *c.Routes[0].Metric, c.Routes[0].Nexthops[0].Weight = 7, 7, cidr("1.1.1.1/8"), 7, 7
	if after := fmt.Sprint(original.CreateCommand(), original.Routes); after != before {
		t.Errorf("the original changed from\n%s\nto\n%s", before, after)
	}
	if empty := (Tunnel{}).Clone(); empty.InputKey != nil || empty.Routes != nil || empty.Addresses != nil {
		t.Errorf("the clone of nothing is %+v", empty)
	}
}
