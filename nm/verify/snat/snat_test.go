package snat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// host is a kernel and a gateway with the rules of a test.
type host struct {
	kernel.Kernel
	keep.Gateway
	ways    map[string]kernel.Hop // by destination; others have none
	sent    []kernel.Probe
	sendErr error
	takes   bool // the rules take the packets that are sent
	asked   []keep.Passing
	readErr error
}

func (h *host) Lookup(_ context.Context, q kernel.Query) (kernel.Hop, error) {
	if hop, ok := h.ways[q.To.String()]; ok {
		return hop, nil
	}
	return kernel.Hop{}, &fault.Error{Kind: fault.ErrUnreachable, What: "no way"}
}

func (h *host) Probe(_ context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	if h.sendErr != nil {
		return kernel.ProbeResult{}, h.sendErr
	}
	h.sent = append(h.sent, p)
	return kernel.ProbeResult{Sent: 1}, nil
}

func (h *host) RuleCounters(_ context.Context, rules []keep.Rule) ([]uint64, error) {
	counts := make([]uint64, len(rules))
	for i := range counts {
		if h.takes {
			counts[i] = 7 + uint64(len(h.sent))
		}
	}
	return counts, h.readErr
}

func (h *host) Translations(_ context.Context, p keep.Passing) (keep.Translations, error) {
	h.asked = append(h.asked, p)
	return keep.Translations{Sources: []netip.Addr{want.Addr("10.10.1.7")}}, nil
}

func rule(text string) keep.Rule {
	s, err := keep.ParseSNAT(text)
	if err != nil {
		panic(err)
	}
	return keep.Rule{Dev: "gre1", Inner: want.CIDR("172.16.0.0/30"), SNAT: s}
}

func doors(h *host) Doors {
	return Doors{Kernel: h, Gateway: h, Send: true, Links: []kernel.Link{
		{Name: "gre1", Addresses: want.CIDRs("fe80::1/64", "172.16.0.1/30")}, {Name: "eth1", Addresses: want.CIDRs("10.10.1.1/24")}}}
}

var (
	local  = kernel.Hop{Dev: "lo"}
	direct = kernel.Hop{Dev: "eth1"}
)

// Which packet is sent for a rule: from the tunnel's own address, to a host that is not this one.
func TestWhatIsSent(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		ways       map[string]kernel.Hop
		sent       string
	}{
		{"the first address of the LAN", "10.10.1.0/24=10.10.1.1", map[string]kernel.Hop{"10.10.1.1": direct}, "172.16.0.1 to 10.10.1.1 by eth1, 1 hops"},
		{"the first address is this host's", "10.10.1.0/24=10.10.1.1", map[string]kernel.Hop{"10.10.1.1": local, "10.10.1.2": direct}, "172.16.0.1 to 10.10.1.2 by eth1, 1 hops"},
		{"one host", "10.10.1.9=10.10.1.1", map[string]kernel.Hop{"10.10.1.9": direct}, "172.16.0.1 to 10.10.1.9 by eth1, 1 hops"},
		{"everything, by a gateway", "0.0.0.0/0=masquerade", map[string]kernel.Hop{"192.0.2.1": {Dev: "eth1", Via: want.Addr("10.10.1.254")}}, "172.16.0.1 to 10.10.1.254 by eth1, 1 hops"},
		{"a network behind a gateway", "10.20.0.0/16=10.10.1.1", map[string]kernel.Hop{"10.20.0.1": {Dev: "eth1", Via: want.Addr("10.10.1.254")}}, "172.16.0.1 to 10.20.0.1 by eth1, 1 hops"},
		{"the tunnel itself", "10.10.2.0/24=10.10.1.1", map[string]kernel.Hop{"10.10.2.1": {Dev: "gre1"}}, ""},
		{"no way", "10.10.1.0/24=10.10.1.1", nil, ""},
		{"this host alone", "10.10.1.1=10.10.1.1", map[string]kernel.Hop{"10.10.1.1": local}, ""},
		{"another family", "fd00:2::/64=fd00:2::1", map[string]kernel.Hop{"fd00:2::1": direct}, ""},
	} {
		h := &host{ways: c.ways}
		r := rule(c.rule)
		if r.SNAT.Dst.Addr().Is6() {
			r.Inner = want.CIDR("fd00:16::/64") // of which the device has no address
		}
		found, err := Try(t.Context(), doors(h), []keep.Rule{r})
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		sent := ""
		for _, p := range h.sent {
			sent += fmt.Sprintf("%s to %s by %s, %d hops", p.From, p.To, p.Dev, p.Hops)
		}
		want.Same(t, c.name, sent, c.sent)
		if found[0].Sent != (c.sent != "") {
			t.Errorf("%s: %+v", c.name, found[0])
		}
	}
}

// The rules of others are asked for: about the packet that was sent if the counter stayed, and
// about a forwarded one.
func TestWhatIsFound(t *testing.T) {
	ways := map[string]kernel.Hop{"10.10.1.1": direct}
	sent := keep.Passing{Rule: rule("10.10.1.0/24=10.10.1.3"), From: want.Addr("172.16.0.1"), To: want.Addr("10.10.1.1"), Out: "eth1", Echo: true}
	forwarded := sent
	forwarded.In, forwarded.Echo = "gre1", false
	for _, c := range []struct {
		name  string
		host  host
		still bool // nothing may be sent
		grew  uint64
		sent  bool
		asked []keep.Passing
	}{
		{"the rule takes it", host{takes: true}, false, 1, true, []keep.Passing{forwarded}},
		{"another takes it", host{}, false, 0, true, []keep.Passing{sent, forwarded}},
		{"a firewall drops it", host{sendErr: errors.New("not permitted")}, false, 0, false, []keep.Passing{forwarded}},
		{"nothing may be sent", host{takes: true}, true, 0, false, []keep.Passing{forwarded}},
	} {
		h := &c.host
		h.ways = ways
		d := doors(h)
		d.Send = !c.still
		found, err := Try(t.Context(), d, []keep.Rule{sent.Rule})
		if err != nil || len(found) != 1 || found[0].Grew != c.grew || found[0].Sent != c.sent || !slices.Equal(h.asked, c.asked) || !slices.Equal(found[0].Wanted, []netip.Addr{want.Addr("10.10.1.3")}) {
			t.Errorf("%s: %+v, %v; asked about %+v", c.name, found, err, h.asked)
		}
		if len(found[0].Own.Sources) != len(c.asked)-1 || len(found[0].Forwarded.Sources) != 1 {
			t.Errorf("%s: %+v", c.name, found[0])
		}
	}
}

// Masquerade may give any address of the device. Of very many rules the first are tried, and who
// may not read the counters sends nothing.
func TestBounds(t *testing.T) {
	h := &host{ways: map[string]kernel.Hop{"10.10.1.1": direct}}
	rules := slices.Repeat([]keep.Rule{rule("10.10.1.0/24=masquerade")}, 100)
	found, err := Try(t.Context(), doors(h), rules)
	if err != nil || len(found) != maxTries || len(h.sent) != maxTries || !slices.Equal(found[0].Wanted, []netip.Addr{want.Addr("10.10.1.1")}) {
		t.Errorf("%d found, %d sent, %v", len(found), len(h.sent), err)
	}
	h = &host{readErr: fault.ErrNotPermitted}
	if _, err := Try(t.Context(), doors(h), rules); !errors.Is(err, fault.ErrNotPermitted) || len(h.sent) > 0 {
		t.Errorf("%v; sent %v", err, h.sent)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Try(ended, doors(&host{ways: h.ways}), rules); err == nil && len(h.sent) > 0 {
		t.Error("it goes on after the end")
	}
}
