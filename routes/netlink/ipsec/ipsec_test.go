package ipsec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/netns"
	"nmgre/testdata/want"
)

func ends(local, remote string) kernel.IPsecEnds {
	return kernel.IPsecEnds{Local: want.Addr(local), Remote: want.Addr(remote), Protocol: 47}
}

// printed is a policy in one line.
func printed(p *kernel.IPsecPolicy) string {
	if p == nil {
		return "none"
	}
	text := p.String()
	if p.Block {
		text += " block"
	}
	for _, t := range p.Templates {
		text += "; " + t.String()
		if t.Optional {
			text += " optional"
		}
		if t.State {
			text += " with a state"
		}
	}
	return text
}

const (
	selector = "src 10.0.0.1 dst 10.0.0.2 proto 47 "
	esp      = "tmpl src 10.0.0.1 dst 10.0.0.2 proto esp mode transport"
)

// Policies and states as `ip xfrm` sets them, and which of them count.
func TestPolicies(t *testing.T) {
	const told = "src 10.0.0.1/32 dst 10.0.0.2/32 proto 47; tmpl src 10.0.0.1 dst 10.0.0.2 proto esp mode transport"
	for _, c := range []struct {
		name, words string // of ip xfrm, a line each
		out, in     string
	}{
		{"nothing", "", "none", "none"},
		{"a policy", "policy add " + selector + "dir out " + esp, told, "none"},
		{"a network", "policy add src 10.0.0.0/24 dst 10.0.0.0/24 dir out " + esp,
			"src 10.0.0.0/24 dst 10.0.0.0/24; tmpl src 10.0.0.1 dst 10.0.0.2 proto esp mode transport", "none"},
		{"the first priority", "policy add " + selector + "dir out priority 9 action block\npolicy add src 10.0.0.0/24 dst 10.0.0.2 dir out priority 3 action allow",
			"src 10.0.0.0/24 dst 10.0.0.2/32", "none"},
		{"block", "policy add " + selector + "dir out action block", "src 10.0.0.1/32 dst 10.0.0.2/32 proto 47 block", "none"},
		{"an optional one", "policy add " + selector + "dir out " + esp + " level use", told + " optional", "none"},
		{"in", "policy add src 10.0.0.2 dst 10.0.0.1 proto 47 dir in tmpl src 10.0.0.2 dst 10.0.0.1 proto esp mode transport", "none",
			"src 10.0.0.2/32 dst 10.0.0.1/32 proto 47; tmpl src 10.0.0.2 dst 10.0.0.1 proto esp mode transport"},
		{"of tunnel mode", "policy add " + selector + "dir out tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel",
			"src 10.0.0.1/32 dst 10.0.0.2/32 proto 47; tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel", "none"},
		{"others", "policy add src 10.0.0.1 dst 10.0.0.3 proto 47 dir out " + esp + "\npolicy add src 10.0.0.1 dst 10.0.0.2 proto 6 dir out " + esp + "\n" +
			"policy add " + selector + "dir fwd " + esp + "\npolicy add " + selector + "mark 7 dir out " + esp, "none", "none"},
		{"of a device", "policy add src 10.0.0.1 dst 10.0.0.2 dev lo dir out action block", "none", "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := netns.New(t)
			for line := range strings.Lines(c.words) {
				xfrm(t, ns, strings.TrimSpace(line))
			}
			var got kernel.IPsecPolicies
			if err := ns.Do(func() (err error) {
				got, err = Policies(context.Background(), ends("10.0.0.1", "10.0.0.2"))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			want.Same(t, "out", printed(got.Out), c.out)
			want.Same(t, "in", printed(got.In), c.in)
		})
	}
}

// xfrm runs `ip xfrm` with words.
func xfrm(t *testing.T, ns *netns.Namespace, line string) {
	t.Helper()
	if line == "" {
		return
	}
	if out, err := ns.Run("ip", append([]string{"xfrm"}, strings.Fields(line)...)...); err != nil {
		t.Fatalf("ip xfrm %s: %v: %s", line, err, out)
	}
}

func TestPoliciesIPv6(t *testing.T) {
	ns := netns.New(t)
	xfrm(t, ns, "policy add src fd00::1 dst fd00::/64 proto 47 dir out tmpl src fd00::1 dst fd00::2 proto ah mode transport")
	var got kernel.IPsecPolicies
	if err := ns.Do(func() (err error) { got, err = Policies(context.Background(), ends("fd00::1", "fd00::2")); return err }); err != nil {
		t.Fatal(err)
	}
	want.Same(t, "out", printed(got.Out), "src fd00::1/128 dst fd00::/64 proto 47; tmpl src fd00::1 dst fd00::2 proto ah mode transport")
	if got.Out.Needs(true) == nil || got.Out.Needs(false) == nil || got.In.Needs(false) != nil {
		t.Errorf("%+v", got)
	}
}

// stateMessage is the kernel's message about a state.
func stateMessage(from, to string, protocol netlink.Proto, mode netlink.Mode, spi, reqid uint32) []byte {
	m := nl.XfrmUsersaInfo{Family: unix.AF_INET, Mode: uint8(mode), Reqid: reqid}
	m.Saddr.FromIP(net.ParseIP(from))
	m.Id.Daddr.FromIP(net.ParseIP(to))
	m.Id.Spi, m.Id.Proto = nl.Swap32(spi), uint8(protocol)
	return m.Serialize()
}

// Which states the kernel may use for a template. Not every kernel has protocols for states, so the
// messages are made here.
func TestStates(t *testing.T) {
	const esp, ah, transport, tunnel = netlink.XFRM_PROTO_ESP, netlink.XFRM_PROTO_AH, netlink.XFRM_MODE_TRANSPORT, netlink.XFRM_MODE_TUNNEL
	for _, c := range []struct {
		name    string
		message []byte
		fits    bool
	}{
		{"the same", stateMessage("10.0.0.1", "10.0.0.2", esp, transport, 0x100, 0), true},
		{"from any", stateMessage("0.0.0.0", "10.0.0.2", esp, transport, 0x100, 0), true},
		{"of another protocol", stateMessage("10.0.0.1", "10.0.0.2", ah, transport, 0x100, 0), false},
		{"of another mode", stateMessage("10.0.0.1", "10.0.0.2", esp, tunnel, 0x100, 0), false},
		{"to another", stateMessage("10.0.0.1", "10.0.0.3", esp, transport, 0x100, 0), false},
		{"from another", stateMessage("10.0.0.3", "10.0.0.2", esp, transport, 0x100, 0), false},
		{"with another reqid", stateMessage("10.0.0.1", "10.0.0.2", esp, transport, 0x100, 7), false},
		{"only asked for", stateMessage("10.0.0.1", "10.0.0.2", esp, transport, 0, 0), false},
		{"cut off", stateMessage("10.0.0.1", "10.0.0.2", esp, transport, 0x100, 0)[:100], false},
	} {
		p := policy{dir: netlink.XFRM_DIR_OUT, templates: []template{{protocol: esp, mode: transport}}}
		p.From, p.To = want.CIDR("10.0.0.0/24"), want.CIDR("0.0.0.0/0")
		chosen := chosen{ends: ends("10.0.0.1", "10.0.0.2")}
		chosen.offer(p)
		if s, ok := readState(c.message); ok {
			chosen.found(s)
		}
		if got := chosen.policy.Needs(true) == nil; got != c.fits {
			t.Errorf("a state %s: %v, want %v", c.name, got, c.fits)
		}
	}
}

func TestNotPermitted(t *testing.T) {
	ns := netns.New(t)
	xfrm(t, ns, "policy list") // loads the module
	ns.DropCapabilities()
	err := ns.Do(func() error { _, err := Policies(context.Background(), ends("10.0.0.1", "10.0.0.2")); return err })
	if !errors.Is(err, fault.ErrNotPermitted) || len(fault.Hints(err)) != 1 {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Policies(ended, ends("10.0.0.1", "10.0.0.2")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// No socket is opened where the kernel has none: that would load the module.
func TestListed(t *testing.T) {
	const head = "sk               Eth Pid        Groups   Rmem\n"
	for text, is := range map[string]bool{
		head: false, head + "00000000 0   0   0 0\n00000000 6   0          00000000 0\n": true,
		head + "00000000 6   4711       00000000 0\n": false, head + "00000000 16  0  0\n": false, "6\n6 6\n": false,
		head + strings.Repeat("x", 1<<20): true, // it cannot be read
	} {
		if got := listed(strings.NewReader(text)); got != is {
			t.Errorf("%.80q: %v", text, got)
		}
	}
}

// Messages that are cut off anywhere do no harm.
func FuzzMessages(f *testing.F) {
	f.Add(make([]byte, nl.SizeofXfrmUserpolicyInfo))
	f.Add(make([]byte, nl.SizeofXfrmUsersaInfo+8))
	f.Fuzz(func(t *testing.T, message []byte) {
		if p, ok := readPolicy(message); ok {
			_ = p.selects(ends("10.0.0.1", "10.0.0.2"))
			c := chosen{ends: ends("10.0.0.1", "10.0.0.2")}
			c.offer(p)
			if s, ok := readState(message); ok {
				c.found(s)
			}
			_ = fmt.Sprint(printed(c.policy))
		}
		if s, ok := readState(message); ok && (s.spi == 0 || !s.to.IsValid()) {
			t.Errorf("%+v", s)
		}
	})
}
