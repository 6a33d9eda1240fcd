package nmgre

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// reportText prints a report: a few lines for each check.
func reportText(r Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Tunnel, r.Verdict)
	for _, c := range r.Checks {
		b.WriteString(checkText(c))
	}
	return b.String()
}

func checkText(c Check) string {
	text := fmt.Sprintf("%s %s (%s): %s\n", c.Status, c.ID, c.Certainty, c.Summary)
	if c.Evidence != "" {
		text += "  seen: " + c.Evidence + "\n"
	}
	if c.Hint != "" {
		text += "  hint: " + c.Hint + "\n"
	}
	return text
}

// differingText prints the verdict, and those checks that are not as in the report on the same tunnel when all is well.
func differingText(r, fine Report) string {
	text := fmt.Sprintf("%s: %s\n", r.Tunnel, r.Verdict)
	for _, c := range r.Checks {
		if !slices.Contains(fine.Checks, c) {
			text += checkText(c)
		}
	}
	return text
}

// verified is a host with the tunnel that the cases below begin with, and its profile and link.
func verified(t *testing.T, want Tunnel) (*world, *fakeProfile, *fakeLink) {
	t.Helper()
	w := newWorld()
	mustCreate(t, w, want)
	p := w.named(want.Name)
	old := p.UUID
	p.UUID, p.Tunnel.PeerAddress = "00000000-0000-4000-8000-00000000000a", DerivePeer(want.Addresses)
	if k, kept := w.files[old]; kept {
		delete(w.files, old)
		k.UUID = p.UUID
		w.files[p.UUID] = k
	}
	l := w.link(want.Name)
	l.Counters = Counters{101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112} // what was before does not count
	return w, p, l
}

// usual is a tunnel with a key, and a route of each kind.
func usual(t *testing.T) Tunnel {
	t.Helper()
	tunnel := simple(t)
	tunnel.InputKey, tunnel.OutputKey = ptr(Key(42)), ptr(Key(42))
	tunnel.Routes = append(tunnel.Routes, route(t, "10.30.0.0/16 src 172.16.0.1 metric 50"), route(t, "10.40.0.0/16 table 100"))
	return tunnel
}

// six is a tunnel carried by IPv6.
func six(t *testing.T) Tunnel {
	t.Helper()
	tunnel := NewTunnel()
	tunnel.Name, tunnel.Mode, tunnel.Remote, tunnel.Addresses = "gre6", ModeIP6GRE, addr("2001:db8:2::100"), cidrs("2001:db8:9::/127")
	tunnel.EncapLimit, tunnel.FlowLabel = 6, 7
	return tunnel
}

func TestVerifyFine(t *testing.T) {
	for _, want := range []Tunnel{usual(t), six(t)} {
		w, p, _ := verified(t, want)
		before := w.String()
		report, err := w.start().host().Verify(t.Context(), p.UUID, VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "verify/fine-"+want.Name+".txt", reportText(report)+rule+"\n"+string(text)+"\n")
		same(t, "the host", w.String(), before)
		checkReport(t, report)
	}
}

// checkReport looks at what every report has: IDs that occur once, a summary for each check, the worst status as verdict.
func checkReport(t *testing.T, r Report) {
	t.Helper()
	verdict := Pass
	seen := make(map[string]bool)
	for _, c := range r.Checks {
		if seen[c.ID] || c.ID == "" || c.Summary == "" || c.Certainty != Proved && c.Certainty != Likely {
			t.Errorf("check %+v", c)
		}
		seen[c.ID] = true
		if c.Status == Fail && (c.Hint == "" && c.ID != "probe") {
			t.Errorf("a fault without a hint: %+v", c)
		}
		if severity(c.Status) > severity(verdict) {
			verdict = c.Status
		}
		if text := c.Summary + c.Evidence + c.Hint; Printable(text) != text || strings.Contains(text, "invalid IP") {
			t.Errorf("%q would act on a terminal, or shows what is not there", text)
		}
	}
	for _, id := range []string{"profile", "device", "link", "addresses", "underlay", "mtu", "probe", "counters"} {
		if !seen[id] {
			t.Errorf("there is no check %s", id)
		}
	}
	if r.Verdict != verdict {
		t.Errorf("the verdict is %s, the worst check is %s", r.Verdict, verdict)
	}
}

// silent is a far end that does not answer, while the counters do what they do.
func silent(c Counters) func(Probe) (ProbeResult, Counters, error) {
	return func(p Probe) (ProbeResult, Counters, error) { return ProbeResult{Sent: p.Count}, c, nil }
}

// One fact after the other is changed behind NetworkManager's back; the report says which, and the verdict follows.
func TestVerify(t *testing.T) {
	type facts struct {
		*world
		p *fakeProfile
		l *fakeLink
	}
	for _, test := range []struct {
		name   string
		six    bool
		change func(f facts)
		opts   VerifyOptions
		want   Verdict
	}{
		{name: "profile-external", change: func(f facts) { f.p.State = StateExternal }, want: Warn},
		{name: "profile-unsaved", change: func(f facts) { f.p.Unsaved = true }, want: Warn},
		{name: "device-inactive", change: func(f facts) {
			f.deactivate(f.p)
			f.settle()
			f.p.DeviceState, f.p.Reason = "disconnected", "connection \x1bremoved"
		}, want: Fail},
		{name: "device-activating", change: func(f facts) { f.p.State, f.p.DeviceState = StateActivating, "ip-config" }, want: Fail},
		{name: "device-without-link", change: func(f facts) { f.removeLink("gre1") }, want: Fail},

		{name: "link-is-another-kind", change: func(f facts) { f.l.GRE, f.l.Kind = nil, "dummy" }, want: Fail},
		{name: "link-down", change: func(f facts) { f.l.Up = false }, want: Fail},
		{name: "link-mode", change: func(f facts) { f.l.GRE.Mode = ModeGRETAP }, want: Fail},
		{name: "link-local", change: func(f facts) { f.l.GRE.Local = addr("10.10.1.1") }, want: Fail},
		{name: "link-local-any", change: func(f facts) { f.l.GRE.Local = addr("0.0.0.0") }, want: Fail},
		{name: "link-remote", change: func(f facts) { f.l.GRE.Remote = addr("100.0.2.101") }, want: Fail},
		{name: "link-parent", change: func(f facts) { f.l.GRE.Parent = f.link("eth1").Index }, want: Fail},
		{name: "link-parent-missing", change: func(f facts) { f.p.Tunnel.Parent = "eth0" }, want: Fail},
		{name: "link-parent-uuid", change: func(f facts) {
			f.p.Tunnel.Parent, f.l.GRE.Parent = "00000000-0000-4000-8000-000000000001", f.link("eth0").Index
		}, want: Pass},
		{name: "link-input-key", change: func(f facts) { f.l.GRE.InputKey = ptr(Key(43)) }, want: Fail},
		{name: "link-input-key-none", change: func(f facts) { f.l.GRE.InputKey = nil }, want: Fail},
		{name: "link-output-key", change: func(f facts) { f.l.GRE.OutputKey = ptr(Key(43)) }, want: Fail},
		{name: "link-output-key-none", change: func(f facts) { f.l.GRE.OutputKey = nil }, want: Fail},
		{name: "link-key-0-and-none", change: func(f facts) { f.p.Tunnel.InputKey, f.l.GRE.InputKey = nil, ptr(Key(0)) }, want: Fail},
		{name: "link-key-none-and-0", change: func(f facts) { f.p.Tunnel.OutputKey, f.l.GRE.OutputKey = ptr(Key(0)), nil }, want: Fail},
		{name: "link-ttl", change: func(f facts) { f.l.GRE.TTL = 0 }, want: Fail},
		{name: "link-tos", change: func(f facts) { f.l.GRE.TOS = 16 }, want: Fail},
		{name: "link-pmtud", change: func(f facts) { f.l.GRE.PMTUD = false }, want: Fail},
		{name: "link-mtu", change: func(f facts) { f.l.MTU = 1400 }, want: Fail},
		{name: "link-mtu-undecided", change: func(f facts) { f.p.Tunnel.MTU, f.l.MTU = 0, 1400 }, want: Pass},
		{name: "link-checksum", change: func(f facts) { f.l.GRE.Checksum = true }, want: Fail},
		{name: "link-sequence", change: func(f facts) { f.l.GRE.Sequence = true }, want: Fail},
		{name: "link-metadata", change: func(f facts) { f.l.GRE.External = true }, want: Fail},
		{name: "link-encap-limit", six: true, change: func(f facts) { f.l.GRE.EncapLimit = 4 }, want: Fail},
		{name: "link-encap-limit-undecided", six: true, change: func(f facts) { f.p.Tunnel.EncapLimit, f.l.GRE.EncapLimit = 0, 4 }, want: Fail},
		{name: "link-encap-limit-ignored", six: true, change: func(f facts) {
			f.p.Tunnel.Flags, f.l.GRE.Flags, f.l.GRE.EncapLimit = FlagIgnEncapLimit, FlagIgnEncapLimit, 0
		}, want: Pass},
		{name: "link-flow-label", six: true, change: func(f facts) { f.l.GRE.FlowLabel = 0xabcde }, want: Fail},
		{name: "link-flags", six: true, change: func(f facts) { f.l.GRE.Flags = FlagUseOrigTClass }, want: Fail},
		{name: "link-pmtud-ipv6", six: true, change: func(f facts) { f.l.GRE.PMTUD = false }, want: Pass}, // the IPv6 modes do not have it
		{name: "link-everything", change: func(f facts) {
			f.l.GRE = &GRELink{Mode: ModeIP6GRE, Local: addr("::"), Remote: addr("2001:db8::9"), TTL: 1, TOS: 2, Checksum: true, Sequence: true, External: true}
			f.l.MTU = 1280
		}, want: Fail},

		{name: "address-missing", change: func(f facts) { f.l.Addresses = nil }, want: Fail},
		{name: "address-other-length", change: func(f facts) { f.l.Addresses = cidrs("172.16.0.1/24") }, want: Fail},
		{name: "address-extra", change: func(f facts) { f.l.Addresses = append(f.l.Addresses, cidr("172.18.0.1/30")) }, want: Warn},
		{name: "address-link-local", change: func(f facts) { f.l.Addresses = append(f.l.Addresses, cidr("fe80::9/64")) }, want: Pass},

		{name: "route-missing", change: func(f facts) { f.dropRoute("10.10.2.0/24") }, want: Fail},
		{name: "route-unreachable", change: func(f facts) {
			f.dropRoute("10.10.2.0/24")
			f.dropRoute("0.0.0.0/0")
			f.addRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
		}, want: Fail},
		{name: "route-lower-metric", change: func(f facts) { f.addRoute("eth1", "10.10.2.0/24 via 10.10.1.9", 3) }, want: Fail},
		{name: "route-more-specific", change: func(f facts) { f.addRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3) }, want: Warn},
		{name: "route-more-specific-own-network", change: func(f facts) {
			f.link("eth1").Addresses = append(f.link("eth1").Addresses, cidr("10.30.0.5/24"))
		}, want: Warn},
		{name: "route-more-specific-and-missing", change: func(f facts) {
			f.dropRoute("10.10.2.0/24")
			f.addRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3)
		}, want: Fail},
		{name: "route-more-specific-and-nothing-else", change: func(f facts) {
			f.dropRoute("10.10.2.0/24")
			f.dropRoute("0.0.0.0/0")
			f.addRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
			f.addRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3)
		}, want: Fail},
		{name: "route-wrong-source", change: func(f facts) {
			f.dropRoute("10.30.0.0/16")
			f.addRoute("gre1", "10.30.0.0/16 src 10.10.1.1 metric 50", 4)
		}, want: Fail},
		{name: "route-table", change: func(f facts) { f.dropRoute("10.40.0.0/16") }, want: Fail},
		{name: "route-table-other", change: func(f facts) {
			f.dropRoute("10.40.0.0/16")
			f.addRoute("gre1", "10.40.0.0/16 table 101", 4)
		}, want: Fail},
		{name: "route-table-metric", change: func(f facts) {
			f.p.Tunnel.Routes = []Route{{Dst: cidr("10.40.0.0/16"), Table: 100, Metric: ptr(uint32(7))}}
		}, want: Fail},
		{name: "route-own-gone", change: func(f facts) { f.dropRoute("10.20.0.0/16") }, want: Fail},
		{name: "route-multipath-another", change: func(f facts) {
			f.dropRoute("10.20.0.0/16")
			f.addRoute("gre1", "10.20.0.0/16 nexthop dev gre1 nexthop dev eth0", RouteProtocol)
		}, want: Fail},
		{name: "route-multipath-more-specific", change: func(f facts) { f.addRoute("eth0", "10.20.0.0/24 via 100.0.1.1", 3) }, want: Warn},

		{name: "underlay-local-moved", change: func(f facts) { f.link("eth0").Addresses = cidrs("100.0.1.101/24") }, want: Fail},
		{name: "underlay-none", change: func(f facts) { f.dropRoute("0.0.0.0/0") }, want: Fail},
		{name: "underlay-any-local", change: func(f facts) {
			f.p.Tunnel.Local, f.l.GRE.Local = addr("0.0.0.0"), addr("0.0.0.0")
		}, want: Pass},
		{name: "underlay-parent-gone", change: func(f facts) { f.p.Tunnel.Parent = "eth7" }, want: Fail},
		{name: "underlay-itself", change: func(f facts) { f.addRoute("gre1", "100.0.2.0/24", 3) }, want: Fail},
		{name: "underlay-another-tunnel", change: func(f facts) {
			f.addLink(Link{Name: "gre2", Up: true, MTU: 1476, GRE: &GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.3.100")}})
			f.addRoute("gre2", "100.0.2.0/24", 3)
		}, want: Warn},
		{name: "underlay-another-tunnel-to-nowhere", change: func(f facts) {
			f.addLink(Link{Name: "gre2", Up: true, MTU: 1476, GRE: &GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.3.100")}})
			f.dropRoute("0.0.0.0/0")
			f.addRoute("gre2", "100.0.2.0/24", 3)
		}, want: Warn},
		{name: "underlay-another-tunnel-without-end", change: func(f facts) {
			f.addLink(Link{Name: "gre2", Up: true, MTU: 1476, GRE: &GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("0.0.0.0")}})
			f.addRoute("gre2", "100.0.2.0/24", 3)
		}, want: Warn},
		{name: "underlay-cycle", change: func(f facts) {
			f.addLink(Link{Name: "gre2", Up: true, MTU: 1476, GRE: &GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.3.100")}})
			f.addRoute("gre2", "100.0.2.0/24", 3)
			f.addRoute("gre1", "100.0.3.0/24", 3)
		}, want: Fail},
		{name: "underlay-cycle-of-others", change: func(f facts) {
			f.addLink(Link{Name: "gre2", Up: true, MTU: 1476, GRE: &GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.3.100")}})
			f.addRoute("gre2", "100.0.2.0/24", 3)
			f.addRoute("gre2", "100.0.3.0/24", 3)
		}, want: Fail},
		{name: "underlay-many-tunnels", change: func(f facts) { // deeper than anybody nests them
			for i := range 12 {
				name := fmt.Sprintf("nest%d", i)
				f.addLink(Link{Name: name, Up: true, MTU: 1476, GRE: &GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr(fmt.Sprintf("100.1.%d.1", i+1))}})
				f.addRoute(name, fmt.Sprintf("100.1.%d.0/24", i), 3)
			}
			f.addRoute("nest0", "100.0.2.0/24", 3)
		}, want: Warn},

		{name: "mtu-too-large", change: func(f facts) { f.p.Tunnel.MTU, f.l.MTU = 1500, 1500 }, want: Warn},
		{name: "mtu-path", change: func(f facts) { f.addRoute("eth0", "100.0.2.100 via 100.0.1.1 mtu 1400", 3) }, want: Warn},
		{name: "mtu-smaller", change: func(f facts) { f.p.Tunnel.MTU, f.l.MTU = 1400, 1400 }, want: Pass},

		{name: "probe-not-asked", change: func(facts) {}, opts: VerifyOptions{NoProbe: true}, want: Pass},
		{name: "probe-peer-unknown", change: func(f facts) {
			f.p.Tunnel.Addresses, f.p.Tunnel.PeerAddress, f.l.Addresses = cidrs("172.16.0.1/24"), addr("::").WithZone("x").Unmap(), cidrs("172.16.0.1/24")
			f.p.Tunnel.PeerAddress = DerivePeer(nil)
		}, want: Warn},
		{name: "probe-peer-given", change: func(f facts) {
			f.p.Tunnel.PeerAddress = DerivePeer(nil)
		}, opts: VerifyOptions{PeerAddress: addr("172.16.0.2")}, want: Pass},
		{name: "probe-no-address-of-the-family", change: func(f facts) { f.p.Tunnel.PeerAddress = addr("2001:db8:9::1") }, want: Pass},
		{name: "probe-silent", change: func(f facts) { f.answer = silent(Counters{TxPackets: 4}) }, want: Fail},
		{name: "probe-silent-any-local", change: func(f facts) {
			f.p.Tunnel.Local, f.l.GRE.Local = addr("0.0.0.0"), addr("0.0.0.0")
			f.answer = silent(Counters{TxPackets: 4})
		}, want: Fail},
		{name: "probe-other-packets", change: func(f facts) { f.answer = silent(Counters{TxPackets: 4, RxPackets: 3}) }, want: Fail},
		{name: "probe-refused", change: func(f facts) {
			f.answer = func(Probe) (ProbeResult, Counters, error) {
				return ProbeResult{Sent: 4, Refusals: []string{"destination port unreachable from 100.0.2.100", "time exceeded from 100.0.1.1"}}, Counters{TxPackets: 4}, nil
			}
		}, want: Fail},
		{name: "probe-lossy", change: func(f facts) {
			f.answer = func(Probe) (ProbeResult, Counters, error) {
				return ProbeResult{Sent: 4, Received: 1, RTT: []time.Duration{30 * time.Millisecond}}, Counters{TxPackets: 4, RxPackets: 1}, nil
			}
		}, want: Warn},
		{name: "probe-half", change: func(f facts) {
			f.answer = func(Probe) (ProbeResult, Counters, error) {
				return ProbeResult{Sent: 4, Received: 2, RTT: []time.Duration{30 * time.Millisecond, 10 * time.Millisecond}}, Counters{TxPackets: 4, RxPackets: 2}, nil
			}
		}, want: Pass},
		{name: "probe-not-permitted", change: func(f facts) {
			f.answer = func(Probe) (ProbeResult, Counters, error) {
				return ProbeResult{}, Counters{}, &Error{Kind: ErrNotPermitted, What: "open a socket for pings"}
			}
		}, want: Warn},

		{name: "counters-loop", change: func(f facts) { f.answer = silent(Counters{TxErrors: 4, Collisions: 4}) }, want: Fail},
		{name: "counters-no-route", change: func(f facts) { f.answer = silent(Counters{TxErrors: 4, TxCarrierErrors: 4}) }, want: Fail},
		{name: "counters-dropped", change: func(f facts) { f.answer = silent(Counters{TxDropped: 4}) }, want: Fail},
		{name: "counters-checksum", change: func(f facts) { f.answer = silent(Counters{TxPackets: 4, RxErrors: 4, RxCRCErrors: 4}) }, want: Fail},
		{name: "counters-sequence", change: func(f facts) { f.answer = silent(Counters{TxPackets: 4, RxErrors: 4, RxFIFOErrors: 4}) }, want: Fail},
		{name: "counters-nothing", change: func(f facts) { f.answer = silent(Counters{}) }, want: Fail},
		{name: "counters-errors-only", change: func(f facts) { f.answer = silent(Counters{TxErrors: 4}) }, want: Fail},
		{name: "counters-other-traffic-dropped", change: func(f facts) {
			f.answer = func(Probe) (ProbeResult, Counters, error) {
				return ProbeResult{Sent: 2, Received: 2, RTT: []time.Duration{time.Millisecond}}, Counters{TxPackets: 90, RxPackets: 80, TxDropped: 1}, nil
			}
		}, want: Warn},
		{name: "counters-of-a-new-link", change: func(f facts) {
			f.l.Counters = Counters{TxPackets: 100, RxPackets: 100, Collisions: 5, TxErrors: 5}
			f.answer = func(Probe) (ProbeResult, Counters, error) { // the link is made anew meanwhile
				f.l.Counters, f.l.Index = Counters{}, f.l.Index+100
				return ProbeResult{Sent: 2, Received: 2}, Counters{TxPackets: 2, RxPackets: 2}, nil
			}
		}, want: Pass},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := usual(t)
			if test.six {
				want = six(t)
			}
			w, p, l := verified(t, want)
			fine, err := w.start().host().Verify(t.Context(), p.UUID, VerifyOptions{})
			if err != nil || fine.Verdict != Pass {
				t.Fatalf("before: %v\n%s", err, reportText(fine))
			}
			test.change(facts{w, p, l})
			report, err := w.start().host().Verify(t.Context(), p.UUID, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != test.want {
				t.Errorf("the verdict is %s, want %s", report.Verdict, test.want)
			}
			golden(t, "verify/"+test.name+".txt", differingText(report, fine))
			checkReport(t, report)
		})
	}
}

func (w *world) dropRoute(dst string) {
	w.routes = slices.DeleteFunc(w.routes, func(r fakeRoute) bool { return r.Dst == cidr(dst) })
}

// Whatever fails while a tunnel is verified is what verify fails with. A probe that is not permitted is skipped.
func TestVerifyFaults(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.addLink(Link{Name: "gre2", Up: true, MTU: 1476, GRE: &GRELink{Mode: ModeGRE, Local: addr("100.0.1.100"), Remote: addr("100.0.3.100")}})
	w.addRoute("gre2", "100.0.2.0/24", 3)
	w.addRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3)
	for n := 0; ; n++ {
		q := w.start()
		q.fault = func(i int, _ string) fault {
			if i == n {
				return fault{err: errBroken}
			}
			return fault{}
		}
		_, err := q.host().Verify(t.Context(), p.UUID, VerifyOptions{})
		if n < len(q.calls) && q.calls[n] == "Probe" {
			if report, err := q.host().Verify(t.Context(), p.UUID, VerifyOptions{}); err != nil || report.Verdict == Pass {
				t.Errorf("a probe that cannot be sent: %v, the verdict is %s", err, report.Verdict)
			}
			continue
		}
		if len(q.calls) <= n {
			if n < 9 || err != nil {
				t.Errorf("%d calls, %v", n, err)
			}
			return
		}
		if slices.Contains([]string{"UUIDs", "Read", "HookMissing"}, q.calls[n]) { // the first is no part of it, the others' faults stand in the report
			if err != nil {
				t.Errorf("call %d, %s: %v", n, q.calls[n], err)
			}
			continue
		}
		if !errors.Is(err, errBroken) {
			t.Errorf("call %d, %s: %v", n, q.calls[n], err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	h := w.start().host()
	if _, err := h.Verify(t.Context(), "gre9", VerifyOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another name: %v", err)
	}
	_, err := h.Verify(t.Context(), p.ID, VerifyOptions{PeerAddress: addr("172.16.0.1")})
	if !errors.Is(err, ErrInvalid) || strings.Join(fieldsOf(err), " ") != "peer-address" {
		t.Errorf("its own address as the far end's: %v", err)
	}
}

// What verify sends: by the tunnel's device, from the inner address towards the far end.
func TestVerifyProbe(t *testing.T) {
	w, p, l := verified(t, usual(t))
	p.Tunnel.Addresses = cidrs("172.20.0.1/24", "172.16.0.1/30")
	l.Addresses = p.Tunnel.Addresses
	var sent Probe
	answer := w.answer
	w.answer = func(probe Probe) (ProbeResult, Counters, error) {
		sent = probe
		return answer(probe)
	}
	if _, err := w.start().host().Verify(t.Context(), "gre1", VerifyOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := (Probe{Dev: "gre1", From: addr("172.16.0.1"), To: addr("172.16.0.2"), Count: 4, Interval: 300 * time.Millisecond, Enough: 2}); sent != want {
		t.Errorf("sent %+v, want %+v", sent, want)
	}
}

// While a tunnel is made the far end's silence and the far end's faults are warnings; what this end does wrong is a failure.
func TestVerifyBeforeSave(t *testing.T) {
	refused := func(p Probe) (ProbeResult, Counters, error) {
		return ProbeResult{Sent: p.Count, Refusals: []string{"protocol unreachable from 100.0.2.100"}}, Counters{TxPackets: 4}, nil
	}
	for _, test := range []struct {
		name   string
		answer func(Probe) (ProbeResult, Counters, error)
		want   map[string]Verdict
	}{
		{"silent", silent(Counters{TxPackets: 4}), map[string]Verdict{"probe": Warn, "counters": Warn}},
		{"refused", refused, map[string]Verdict{"probe": Warn, "counters": Warn}},
		{"something else comes", silent(Counters{TxPackets: 4, RxPackets: 4}), map[string]Verdict{"probe": Warn, "counters": Warn}},
		{"checksums", silent(Counters{TxPackets: 4, RxCRCErrors: 4}), map[string]Verdict{"probe": Warn, "counters": Warn}},
		{"sequence", silent(Counters{TxPackets: 4, RxFIFOErrors: 4}), map[string]Verdict{"probe": Warn, "counters": Warn}},
		{"loop", silent(Counters{Collisions: 4}), map[string]Verdict{"probe": Warn, "counters": Fail}},
		{"no route", silent(Counters{TxCarrierErrors: 4}), map[string]Verdict{"probe": Warn, "counters": Fail}},
		{"dropped here", silent(Counters{TxDropped: 4}), map[string]Verdict{"probe": Warn, "counters": Fail}},
		{"not wrapped", silent(Counters{TxErrors: 4}), map[string]Verdict{"probe": Warn, "counters": Fail}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, p, _ := verified(t, usual(t))
			p.Trial, p.Unsaved, w.answer = true, true, test.answer
			report, err := w.start().host().verify(t.Context(), p.Profile, verifyOptions{probe: true, beforeSave: true, want: &p.Tunnel})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range report.Checks {
				if want, ok := test.want[c.ID]; ok && c.Status != want || !ok && c.Status != Pass {
					t.Errorf("%s", checkText(c))
				}
			}
			checkReport(t, report)
		})
	}
}

// A route that nmgre itself must put into the kernel is looked for while the tunnel is made.
func TestVerifyOwnRouteBeforeSave(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.dropRoute("10.20.0.0/16")
	report, err := w.start().host().verify(t.Context(), p.Profile, verifyOptions{beforeSave: true, want: &p.Tunnel})
	if err != nil || len(report.Failures()) != 1 || report.Failures()[0].ID != "route 10.20.0.0/16" {
		t.Errorf("%v\n%s", err, reportText(report))
	}
}

func TestReportReplace(t *testing.T) {
	r := Report{Verdict: Pass}
	r.add(Check{ID: "profile", Status: Pass, Summary: "in memory"})
	r.add(Check{ID: "probe", Status: Warn})
	r.replace(Check{ID: "profile", Status: Pass, Summary: "on disk"})
	if len(r.Checks) != 2 || r.Checks[0].Summary != "on disk" || r.Checks[1].Status != Warn {
		t.Errorf("%+v", r)
	}
}
