package verify_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/nm/verify/kinds"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// differingText prints the verdict, and the checks that differ from the report on the same tunnel
// without a fault.
func differingText(r, fine verify.Report) string {
	text := fmt.Sprintf("%s: %s\n", r.Tunnel, r.Verdict)
	for _, c := range r.Checks {
		if !slices.ContainsFunc(fine.Checks, func(other verify.Check) bool { return reflect.DeepEqual(other, c) }) {
			text += fake.CheckText(c)
		}
	}
	return text
}

// verified returns a host with a tunnel, its profile and its link. All cases below begin with them.
func verified(t *testing.T, want nm.Tunnel) (*fake.World, *fake.Profile, *fake.Link) {
	t.Helper()
	w := fake.NewWorld()
	// a rule leads to the table of one of the routes
	w.Policy = append(w.Policy, kernel.HeldRule{Rule: rule.MustParse("from all table 100 priority 32800"), Protocol: 3})
	fake.MustCreate(t, w, want)
	p := w.Named(want.Name)
	old := p.UUID
	p.UUID, p.Tunnel.PeerAddress = "00000000-0000-4000-8000-00000000000a", nm.DerivePeer(want.Addresses)
	if k, kept := w.Files[old]; kept {
		delete(w.Files, old)
		k.UUID = p.UUID
		w.Files[p.UUID] = k
	}
	l := w.Link(want.Name)
	// only the growth of the counters during the probe counts
	l.Counters = kernel.Counters{RxPackets: 101, TxPackets: 102, RxBytes: 103, TxBytes: 104, RxErrors: 105, TxErrors: 106, RxDropped: 107, TxDropped: 108, TxCarrierErrors: 109, Collisions: 110, RxCRCErrors: 111, RxFIFOErrors: 112}
	return w, p, l
}

// usual returns a tunnel with a key and with routes of each kind.
func usual(t *testing.T) nm.Tunnel {
	t.Helper()
	tunnel := fake.Simple(t)
	tunnel.InputKey, tunnel.OutputKey = want.Ptr(gre.Key(42)), want.Ptr(gre.Key(42))
	tunnel.Routes = append(tunnel.Routes, routes.MustParse("10.30.0.0/16 src 172.16.0.1 metric 50"), routes.MustParse("10.40.0.0/16 table 100"))
	return tunnel
}

// six returns a tunnel over IPv6.
func six(t *testing.T) nm.Tunnel {
	t.Helper()
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Mode, tunnel.Remote, tunnel.Addresses = "gre6", gre.ModeIP6GRE, want.Addr("2001:db8:2::100"), want.CIDRs("2001:db8:9::/127")
	tunnel.EncapLimit, tunnel.FlowLabel = 6, 7
	return tunnel
}

func TestVerifyFine(t *testing.T) {
	for _, expected := range []nm.Tunnel{usual(t), six(t)} {
		w, p, _ := verified(t, expected)
		before := w.String()
		report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want.Golden(t, "verify/fine-"+expected.Name+".txt", fake.ReportText(report)+want.Rule+"\n"+string(text)+"\n")
		want.Same(t, "the host", w.String(), before)
		checkReport(t, report)
	}
}

// checkReport checks every report: each ID occurs once, each check has a summary, and the verdict
// is the worst status.
func checkReport(t *testing.T, r verify.Report) {
	t.Helper()
	verdict, severity := verify.Pass, map[verify.Verdict]int{verify.Pass: 0, verify.Warn: 1, verify.Fail: 2}
	seen := make(map[string]bool)
	for _, c := range r.Checks {
		if seen[c.ID] || c.ID == "" || c.Summary == "" || c.Certainty != verify.Proved && c.Certainty != verify.Likely {
			t.Errorf("check %+v", c)
		}
		seen[c.ID] = true
		if !isKnown(c.ID) {
			t.Errorf("the manual knows no check %s", c.ID)
		}
		if c.Status == verify.Fail && (c.Hint == "" && c.ID != "probe") {
			t.Errorf("a fault without a hint: %+v", c)
		}
		if severity[c.Status] > severity[verdict] {
			verdict = c.Status
		}
		if text := c.Summary + c.Evidence + c.Hint; fault.Printable(text) != text || strings.Contains(text, "invalid IP") {
			t.Errorf("%q would act on a terminal, or shows an address that is not there", text)
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

// isKnown says whether a check with that ID is of one of the kinds.
func isKnown(id string) bool {
	return slices.ContainsFunc(kinds.All(), func(k kinds.Kind) bool {
		return slices.ContainsFunc(k.IDs, func(of string) bool {
			begin, open := strings.CutSuffix(of, "...")
			return id == of || open && strings.HasPrefix(id, begin)
		})
	})
}

// silent makes a far end that does not answer. The counters grow by c.
func silent(c kernel.Counters) func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
	return func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		return kernel.ProbeResult{Sent: p.Count}, c, nil
	}
}

// Each case changes one fact behind NetworkManager's back. The report names that fact, and the
// verdict follows.
func TestVerify(t *testing.T) {
	type facts struct {
		*fake.World
		p *fake.Profile
		l *fake.Link
	}
	for _, test := range []struct {
		name   string
		six    bool
		change func(f facts)
		opts   verify.Options
		want   verify.Verdict
	}{
		{name: "profile-external", change: func(f facts) { f.p.State = nm.StateExternal }, want: verify.Warn},
		{name: "profile-external-options", change: func(f facts) {
			f.p.State, f.p.Tunnel.MTU, f.l.MTU = nm.StateExternal, 0, 1400
			f.l.GRE.Checksum, f.l.GRE.Sequence, f.l.GRE.IgnoreDF = true, true, true
		}, want: verify.Warn},
		{name: "profile-unsaved", change: func(f facts) { f.p.Unsaved = true }, want: verify.Warn},
		{name: "profile-unsaved-no-autoconnect", change: func(f facts) { f.p.Unsaved, f.p.Tunnel.Autoconnect = true, false }, want: verify.Warn},
		{name: "device-inactive", change: func(f facts) {
			f.BringDown(f.p)
			f.Settle()
			f.p.DeviceState, f.p.Reason = "disconnected", "connection \x1bremoved"
		}, want: verify.Fail},
		{name: "device-activating", change: func(f facts) { f.p.State, f.p.DeviceState = nm.StateActivating, "ip-config" }, want: verify.Fail},
		{name: "device-without-link", change: func(f facts) { f.RemoveLink("gre1") }, want: verify.Fail},

		{name: "link-is-another-kind", change: func(f facts) { f.l.GRE, f.l.Kind = nil, "dummy" }, want: verify.Fail},
		{name: "link-down", change: func(f facts) { f.l.Up = false }, want: verify.Fail},
		{name: "link-mode", change: func(f facts) { f.l.GRE.Mode = gre.ModeGRETAP }, want: verify.Fail},
		{name: "link-local", change: func(f facts) { f.l.GRE.Local = want.Addr("10.10.1.1") }, want: verify.Fail},
		{name: "link-local-any", change: func(f facts) { f.l.GRE.Local = want.Addr("0.0.0.0") }, want: verify.Fail},
		{name: "link-remote", change: func(f facts) { f.l.GRE.Remote = want.Addr("100.0.2.101") }, want: verify.Fail},
		{name: "link-parent", change: func(f facts) { f.l.GRE.Parent = f.Link("eth1").Index }, want: verify.Fail},
		{name: "link-parent-missing", change: func(f facts) { f.p.Tunnel.Parent = "eth0" }, want: verify.Fail},
		{name: "link-parent-uuid", change: func(f facts) {
			f.p.Tunnel.Parent, f.l.GRE.Parent = "00000000-0000-4000-8000-000000000001", f.Link("eth0").Index
		}, want: verify.Pass},
		{name: "link-input-key", change: func(f facts) { f.l.GRE.InputKey = want.Ptr(gre.Key(43)) }, want: verify.Fail},
		{name: "link-input-key-none", change: func(f facts) { f.l.GRE.InputKey = nil }, want: verify.Fail},
		{name: "link-output-key", change: func(f facts) { f.l.GRE.OutputKey = want.Ptr(gre.Key(43)) }, want: verify.Fail},
		{name: "link-output-key-none", change: func(f facts) { f.l.GRE.OutputKey = nil }, want: verify.Fail},
		{name: "link-key-0-and-none", change: func(f facts) { f.p.Tunnel.InputKey, f.l.GRE.InputKey = nil, want.Ptr(gre.Key(0)) }, want: verify.Fail},
		{name: "link-key-none-and-0", change: func(f facts) { f.p.Tunnel.OutputKey, f.l.GRE.OutputKey = want.Ptr(gre.Key(0)), nil }, want: verify.Fail},
		{name: "link-ttl", change: func(f facts) { f.l.GRE.TTL = 0 }, want: verify.Fail},
		{name: "link-tos", change: func(f facts) { f.l.GRE.TOS = 16 }, want: verify.Fail},
		{name: "link-pmtud", change: func(f facts) { f.l.GRE.PMTUD = false }, want: verify.Fail},
		{name: "link-mtu", change: func(f facts) { f.l.MTU = 1400 }, want: verify.Fail},
		{name: "link-mtu-undecided", change: func(f facts) { f.p.Tunnel.MTU, f.l.MTU = 0, 1400 }, want: verify.Pass},
		{name: "link-checksum", change: func(f facts) { f.l.GRE.Checksum = true }, want: verify.Fail},
		{name: "link-sequence", change: func(f facts) { f.l.GRE.Sequence = true }, want: verify.Fail},
		{name: "link-metadata", change: func(f facts) { f.l.GRE.External = true }, want: verify.Fail},
		{name: "link-encap-limit", six: true, change: func(f facts) { f.l.GRE.EncapLimit = 4 }, want: verify.Fail},
		{name: "link-encap-limit-undecided", six: true, change: func(f facts) { f.p.Tunnel.EncapLimit, f.l.GRE.EncapLimit = 0, 4 }, want: verify.Fail},
		{name: "link-encap-limit-ignored", six: true, change: func(f facts) {
			f.p.Tunnel.Flags, f.l.GRE.Flags, f.l.GRE.EncapLimit = gre.FlagIgnEncapLimit, gre.FlagIgnEncapLimit, 0
		}, want: verify.Pass},
		{name: "link-flow-label", six: true, change: func(f facts) { f.l.GRE.FlowLabel = 0xabcde }, want: verify.Fail},
		{name: "link-flags", six: true, change: func(f facts) { f.l.GRE.Flags = gre.FlagUseOrigTClass }, want: verify.Fail},
		// the IPv6 modes have no path MTU discovery option
		{name: "link-pmtud-ipv6", six: true, change: func(f facts) { f.l.GRE.PMTUD = false }, want: verify.Pass},
		{name: "link-everything", change: func(f facts) {
			f.l.GRE = &kernel.GRELink{Mode: gre.ModeIP6GRE, Local: want.Addr("::"), Remote: want.Addr("2001:db8::9"), TTL: 1, TOS: 2, Checksum: true, Sequence: true, External: true}
			f.l.MTU = 1280
		}, want: verify.Fail},

		{name: "address-missing", change: func(f facts) { f.l.Addresses = nil }, want: verify.Fail},
		{name: "address-other-length", change: func(f facts) { f.l.Addresses = want.CIDRs("172.16.0.1/24") }, want: verify.Fail},
		{name: "address-extra", change: func(f facts) { f.l.Addresses = append(f.l.Addresses, want.CIDR("172.18.0.1/30")) }, want: verify.Warn},
		{name: "address-link-local", change: func(f facts) { f.l.Addresses = append(f.l.Addresses, want.CIDR("fe80::9/64")) }, want: verify.Pass},

		{name: "route-missing", change: func(f facts) { f.RemoveRoutes("10.10.2.0/24") }, want: verify.Fail},
		{name: "route-unreachable", change: func(f facts) {
			f.RemoveRoutes("10.10.2.0/24")
			f.RemoveRoutes("0.0.0.0/0")
			f.AddRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
		}, want: verify.Fail},
		{name: "route-lower-metric", change: func(f facts) { f.AddRoute("eth1", "10.10.2.0/24 via 10.10.1.9", 3) }, want: verify.Fail},
		{name: "route-standby-for-a-tunnel", change: func(f facts) {
			f.RemoveRoutes("10.10.2.0/24")
			f.p.Tunnel.Routes[0] = routes.MustParse("10.10.2.0/24 metric 60")
			f.AddRoute(f.l.Name, "10.10.2.0/24 metric 60", 4)
			f.AddLink(kernel.Link{Name: "gre7", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.101")}})
			f.AddRoute("gre7", "10.10.2.0/24 metric 50", 4)
		}, want: verify.Pass},
		{name: "route-standby-for-no-tunnel", change: func(f facts) {
			f.RemoveRoutes("10.10.2.0/24")
			f.p.Tunnel.Routes[0] = routes.MustParse("10.10.2.0/24 metric 60")
			f.AddRoute(f.l.Name, "10.10.2.0/24 metric 60", 4)
			f.AddRoute("eth1", "10.10.2.0/24 via 10.10.1.9 metric 50", 3)
		}, want: verify.Warn},
		{name: "route-more-specific", change: func(f facts) { f.AddRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3) }, want: verify.Warn},
		{name: "route-more-specific-own-network", change: func(f facts) {
			f.Link("eth1").Addresses = append(f.Link("eth1").Addresses, want.CIDR("10.30.0.5/24"))
		}, want: verify.Warn},
		{name: "route-more-specific-and-missing", change: func(f facts) {
			f.RemoveRoutes("10.10.2.0/24")
			f.AddRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3)
		}, want: verify.Fail},
		{name: "route-more-specific-and-nothing-else", change: func(f facts) {
			f.RemoveRoutes("10.10.2.0/24")
			f.RemoveRoutes("0.0.0.0/0")
			f.AddRoute("eth0", "100.0.2.0/24 via 100.0.1.1", 3)
			f.AddRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3)
		}, want: verify.Fail},
		{name: "route-wrong-source", change: func(f facts) {
			f.RemoveRoutes("10.30.0.0/16")
			f.AddRoute("gre1", "10.30.0.0/16 src 10.10.1.1 metric 50", 4)
		}, want: verify.Fail},
		{name: "route-table", change: func(f facts) { f.RemoveRoutes("10.40.0.0/16") }, want: verify.Fail},
		{name: "route-table-other", change: func(f facts) {
			f.RemoveRoutes("10.40.0.0/16")
			f.AddRoute("gre1", "10.40.0.0/16 table 101", 4)
		}, want: verify.Fail},
		{name: "route-table-metric", change: func(f facts) {
			f.p.Tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.40.0.0/16"), Table: 100, Metric: want.Ptr(uint32(7))}}
		}, want: verify.Fail},
		{name: "route-own-gone", change: func(f facts) { f.RemoveRoutes("10.20.0.0/16") }, want: verify.Fail},
		{name: "route-multipath-another", change: func(f facts) {
			f.RemoveRoutes("10.20.0.0/16")
			f.AddRoute("gre1", "10.20.0.0/16 nexthop dev gre1 nexthop dev eth0", kernel.RouteProtocol)
		}, want: verify.Fail},
		{name: "route-multipath-more-specific", change: func(f facts) { f.AddRoute("eth0", "10.20.0.0/24 via 100.0.1.1", 3) }, want: verify.Warn},

		{name: "underlay-local-moved", change: func(f facts) { f.Link("eth0").Addresses = want.CIDRs("100.0.1.101/24") }, want: verify.Fail},
		{name: "underlay-none", change: func(f facts) { f.RemoveRoutes("0.0.0.0/0") }, want: verify.Fail},
		{name: "underlay-any-local", change: func(f facts) {
			f.p.Tunnel.Local, f.l.GRE.Local = want.Addr("0.0.0.0"), want.Addr("0.0.0.0")
		}, want: verify.Pass},
		{name: "underlay-parent-gone", change: func(f facts) { f.p.Tunnel.Parent = "eth7" }, want: verify.Fail},
		{name: "underlay-parent-gone-with-local", change: func(f facts) {
			f.p.Tunnel.Parent = "eth7"
			f.Link("eth0").Addresses = want.CIDRs("100.0.1.101/24")
		}, want: verify.Fail},
		{name: "underlay-itself", change: func(f facts) { f.AddRoute("gre1", "100.0.2.0/24", 3) }, want: verify.Fail},
		{name: "underlay-another-tunnel", change: func(f facts) {
			f.AddLink(kernel.Link{Name: "gre2", Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.3.100")}})
			f.AddRoute("gre2", "100.0.2.0/24", 3)
		}, want: verify.Warn},
		{name: "underlay-another-tunnel-to-nowhere", change: func(f facts) {
			f.AddLink(kernel.Link{Name: "gre2", Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.3.100")}})
			f.RemoveRoutes("0.0.0.0/0")
			f.AddRoute("gre2", "100.0.2.0/24", 3)
		}, want: verify.Warn},
		{name: "underlay-another-tunnel-without-end", change: func(f facts) {
			f.AddLink(kernel.Link{Name: "gre2", Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("0.0.0.0")}})
			f.AddRoute("gre2", "100.0.2.0/24", 3)
		}, want: verify.Warn},
		{name: "underlay-cycle", change: func(f facts) {
			f.AddLink(kernel.Link{Name: "gre2", Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.3.100")}})
			f.AddRoute("gre2", "100.0.2.0/24", 3)
			f.AddRoute("gre1", "100.0.3.0/24", 3)
		}, want: verify.Fail},
		{name: "underlay-cycle-of-others", change: func(f facts) {
			f.AddLink(kernel.Link{Name: "gre2", Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.3.100")}})
			f.AddRoute("gre2", "100.0.2.0/24", 3)
			f.AddRoute("gre2", "100.0.3.0/24", 3)
		}, want: verify.Fail},
		{name: "underlay-many-tunnels", change: func(f facts) { // deeper than anybody nests them
			for i := range 12 {
				name := fmt.Sprintf("nest%d", i)
				f.AddLink(kernel.Link{Name: name, Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr(fmt.Sprintf("100.1.%d.1", i+1))}})
				f.AddRoute(name, fmt.Sprintf("100.1.%d.0/24", i), 3)
			}
			f.AddRoute("nest0", "100.0.2.0/24", 3)
		}, want: verify.Warn},

		{name: "mtu-too-large", change: func(f facts) { f.p.Tunnel.MTU, f.l.MTU = 1500, 1500 }, want: verify.Warn},
		{name: "mtu-path", change: func(f facts) {
			f.PathMTU = 1372
			f.AddRoute("eth0", "100.0.2.100 via 100.0.1.1 mtu 1400", 3)
		}, want: verify.Warn},
		{name: "mtu-path-not-probed", change: func(f facts) { f.AddRoute("eth0", "100.0.2.100 via 100.0.1.1 mtu 1400", 3) }, opts: verify.Options{NoProbe: true}, want: verify.Warn},
		{name: "mtu-black-hole", change: func(f facts) { f.PathMTU = 1372 }, want: verify.Fail},
		{name: "mtu-small-path", change: func(f facts) { f.PathMTU = 1000 }, want: verify.Fail},
		{name: "mtu-smaller", change: func(f facts) { f.p.Tunnel.MTU, f.l.MTU = 1400, 1400 }, want: verify.Pass},

		{name: "probe-not-asked", change: func(facts) {}, opts: verify.Options{NoProbe: true}, want: verify.Pass},
		{name: "probe-peer-unknown", change: func(f facts) {
			f.p.Tunnel.Addresses, f.p.Tunnel.PeerAddress, f.l.Addresses = want.CIDRs("172.16.0.1/24"), want.Addr("::").WithZone("x").Unmap(), want.CIDRs("172.16.0.1/24")
			f.p.Tunnel.PeerAddress = nm.DerivePeer(nil)
		}, want: verify.Warn},
		{name: "probe-peer-given", change: func(f facts) {
			f.p.Tunnel.PeerAddress = nm.DerivePeer(nil)
		}, opts: verify.Options{PeerAddress: want.Addr("172.16.0.2")}, want: verify.Pass},
		{name: "probe-no-address-of-the-family", change: func(f facts) { f.p.Tunnel.PeerAddress = want.Addr("2001:db8:9::1") }, want: verify.Warn},
		{name: "probe-silent", change: func(f facts) { f.Answer = silent(kernel.Counters{TxPackets: 4}) }, want: verify.Fail},
		{name: "probe-silent-any-local", change: func(f facts) {
			f.p.Tunnel.Local, f.l.GRE.Local = want.Addr("0.0.0.0"), want.Addr("0.0.0.0")
			f.Answer = silent(kernel.Counters{TxPackets: 4})
		}, want: verify.Fail},
		{name: "probe-other-packets", change: func(f facts) { f.Answer = silent(kernel.Counters{TxPackets: 4, RxPackets: 3}) }, want: verify.Fail},
		{name: "probe-refused", change: func(f facts) {
			f.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				return kernel.ProbeResult{Sent: 4, Refusals: []string{"destination port unreachable from 100.0.2.100", "time exceeded from 100.0.1.1"}}, kernel.Counters{TxPackets: 4}, nil
			}
		}, want: verify.Fail},
		{name: "probe-lossy", change: func(f facts) {
			f.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				return kernel.ProbeResult{Sent: 4, Received: 1, RTT: []time.Duration{30 * time.Millisecond}}, kernel.Counters{TxPackets: 4, RxPackets: 1}, nil
			}
		}, want: verify.Warn},
		{name: "probe-half", change: func(f facts) {
			f.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				return kernel.ProbeResult{Sent: 4, Received: 2, RTT: []time.Duration{30 * time.Millisecond, 10 * time.Millisecond}}, kernel.Counters{TxPackets: 4, RxPackets: 2}, nil
			}
		}, want: verify.Pass},
		{name: "probe-not-permitted", change: func(f facts) {
			f.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				return kernel.ProbeResult{}, kernel.Counters{}, &fault.Error{Kind: fault.ErrNotPermitted, What: "open a socket for pings"}
			}
		}, want: verify.Warn},

		{name: "counters-loop", change: func(f facts) { f.Answer = silent(kernel.Counters{TxErrors: 4, Collisions: 4}) }, want: verify.Fail},
		{name: "counters-no-route", change: func(f facts) { f.Answer = silent(kernel.Counters{TxErrors: 4, TxCarrierErrors: 4}) }, want: verify.Fail},
		{name: "counters-dropped", change: func(f facts) { f.Answer = silent(kernel.Counters{TxDropped: 4}) }, want: verify.Fail},
		{name: "counters-checksum", change: func(f facts) { f.Answer = silent(kernel.Counters{TxPackets: 4, RxErrors: 4, RxCRCErrors: 4}) }, want: verify.Fail},
		{name: "counters-sequence", change: func(f facts) { f.Answer = silent(kernel.Counters{TxPackets: 4, RxErrors: 4, RxFIFOErrors: 4}) }, want: verify.Fail},
		{name: "counters-nothing", change: func(f facts) { f.Answer = silent(kernel.Counters{}) }, want: verify.Fail},
		{name: "counters-errors-only", change: func(f facts) { f.Answer = silent(kernel.Counters{TxErrors: 4}) }, want: verify.Fail},
		{name: "counters-other-traffic-dropped", change: func(f facts) {
			f.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				return kernel.ProbeResult{Sent: 2, Received: 2, RTT: []time.Duration{time.Millisecond}}, kernel.Counters{TxPackets: 90, RxPackets: 80, TxDropped: 1}, nil
			}
		}, want: verify.Warn},
		{name: "counters-of-a-new-link", change: func(f facts) {
			f.l.Counters = kernel.Counters{TxPackets: 100, RxPackets: 100, Collisions: 5, TxErrors: 5}
			// the link is replaced by a new one during the probe
			f.Answer = func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				f.l.Counters, f.l.Index = kernel.Counters{}, f.l.Index+100
				return kernel.ProbeResult{Sent: 2, Received: 2}, kernel.Counters{TxPackets: 2, RxPackets: 2}, nil
			}
		}, want: verify.Pass},
	} {
		t.Run(test.name, func(t *testing.T) {
			expected := usual(t)
			if test.six {
				expected = six(t)
			}
			w, p, l := verified(t, expected)
			fine, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
			if err != nil || fine.Verdict != verify.Pass {
				t.Fatalf("before: %v\n%s", err, fake.ReportText(fine))
			}
			test.change(facts{w, p, l})
			report, err := w.Start().Host().Verify(t.Context(), p.UUID, test.opts)
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != test.want {
				t.Errorf("the verdict is %s, want %s", report.Verdict, test.want)
			}
			want.Golden(t, "verify/"+test.name+".txt", differingText(report, fine))
			checkReport(t, report)
		})
	}
}

// Verify returns the error of any call that fails. If the probe is not permitted, its check is a
// warning.
func TestVerifyFaults(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.AddLink(kernel.Link{Name: "gre2", Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.3.100")}})
	w.AddRoute("gre2", "100.0.2.0/24", 3)
	w.AddRoute("eth1", "10.10.2.0/28 via 10.10.1.9", 3)
	for n := 0; ; n++ {
		q := w.Start()
		q.Fault = func(i int, _ string) fake.Fault {
			if i == n {
				return fake.Fault{Err: fake.ErrBroken}
			}
			return fake.Fault{}
		}
		_, err := q.Host().Verify(t.Context(), p.UUID, verify.Options{})
		if n < len(q.Calls) && q.Calls[n] == "Probe" {
			if report, err := q.Host().Verify(t.Context(), p.UUID, verify.Options{}); err != nil || report.Verdict == verify.Pass {
				t.Errorf("a probe that cannot be sent: %v, the verdict is %s", err, report.Verdict)
			}
			continue
		}
		if len(q.Calls) <= n {
			if n < 9 || err != nil {
				t.Errorf("%d calls, %v", n, err)
			}
			return
		}
		// verify does not depend on the first of these calls, and reports the failures of the
		// others
		if slices.Contains([]string{"UUIDs", "Read", "HookMissing", "OuterRules"}, q.Calls[n]) {
			if err != nil {
				t.Errorf("call %d, %s: %v", n, q.Calls[n], err)
			}
			continue
		}
		if !errors.Is(err, fake.ErrBroken) {
			t.Errorf("call %d, %s: %v", n, q.Calls[n], err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	h := w.Start().Host()
	if _, err := h.Verify(t.Context(), "gre9", verify.Options{}); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("another name: %v", err)
	}
	_, err := h.Verify(t.Context(), p.ID, verify.Options{PeerAddress: want.Addr("172.16.0.1")})
	if !errors.Is(err, fault.ErrInvalid) || strings.Join(want.Fields(err), " ") != "peer-address" {
		t.Errorf("its own address as the far end's: %v", err)
	}
}

// The probe goes by the tunnel's device, from this end's inner address to the far end's. Beside the
// small packets goes one of the whole MTU.
func TestVerifyProbe(t *testing.T) {
	w, p, l := verified(t, usual(t))
	p.Tunnel.Addresses = want.CIDRs("172.20.0.1/24", "172.16.0.1/30")
	l.Addresses = p.Tunnel.Addresses
	var sent []kernel.Probe
	answer := w.Answer
	w.Answer = func(probe kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		sent = append(sent, probe)
		return answer(probe)
	}
	if _, err := w.Start().Host().Verify(t.Context(), "gre1", verify.Options{}); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(sent, func(a, b kernel.Probe) int { return cmp.Or(a.Size-b.Size, b.Count-a.Count) })
	like := kernel.Probe{Dev: "gre1", From: want.Addr("172.16.0.1"), To: want.Addr("172.16.0.2"), Count: 4, Interval: 300 * time.Millisecond, Enough: 1, Knock: true}
	whole := like
	whole.Count, whole.Size, whole.Interval, whole.Knock = 1, 1472, 1600*time.Millisecond, false
	if expected := []kernel.Probe{like, whole}; !slices.Equal(sent, expected) {
		t.Errorf("sent %+v, want %+v", sent, expected)
	}
}

// A packet of the whole MTU that cannot be sent proves nothing, and does no harm.
func TestVerifyLargeFails(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	answer := w.Answer
	w.Answer = func(probe kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		if probe.Size > 0 {
			return kernel.ProbeResult{}, kernel.Counters{}, fake.ErrBroken
		}
		return answer(probe)
	}
	report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
	if err != nil || report.Verdict != verify.Pass {
		t.Errorf("%v\n%s", err, fake.ReportText(report))
	}
	for _, c := range report.Checks {
		if c.ID == "mtu" && c.Certainty != verify.Likely {
			t.Errorf("%s", fake.CheckText(c))
		}
	}
}

// While a tunnel is made, large packets are not sent.
func TestVerifyBeforeSaveSendsSmall(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.PathMTU = 1372
	report, err := verify.Run(t.Context(), w.Start().Host().System, p.Profile, verify.Settings{Probe: true, BeforeSave: true, Want: &p.Tunnel})
	if err != nil || report.Verdict != verify.Pass {
		t.Errorf("%v\n%s", err, fake.ReportText(report))
	}
}

// While a tunnel is made, a silent far end and its faults are warnings. A fault of this end is a
// failure.
func TestVerifyBeforeSave(t *testing.T) {
	refused := func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		return kernel.ProbeResult{Sent: p.Count, Refusals: []string{"protocol unreachable from 100.0.2.100"}}, kernel.Counters{TxPackets: 4}, nil
	}
	for _, test := range []struct {
		name   string
		answer func(kernel.Probe) (kernel.ProbeResult, kernel.Counters, error)
		want   verify.Verdict
	}{
		{"silent", silent(kernel.Counters{TxPackets: 4}), verify.Warn},
		{"refused", refused, verify.Warn},
		{"something else comes", silent(kernel.Counters{TxPackets: 4, RxPackets: 4}), verify.Warn},
		{"checksums", silent(kernel.Counters{TxPackets: 4, RxCRCErrors: 4}), verify.Warn},
		{"sequence", silent(kernel.Counters{TxPackets: 4, RxFIFOErrors: 4}), verify.Warn},
		{"loop", silent(kernel.Counters{Collisions: 4}), verify.Fail},
		{"no route", silent(kernel.Counters{TxCarrierErrors: 4}), verify.Fail},
		{"dropped here", silent(kernel.Counters{TxDropped: 4}), verify.Fail},
		{"not wrapped", silent(kernel.Counters{TxErrors: 4}), verify.Fail},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, p, _ := verified(t, usual(t))
			p.Trial, p.Unsaved, w.Answer = true, true, test.answer
			report, err := verify.Run(t.Context(), w.Start().Host().System, p.Profile, verify.Settings{Probe: true, BeforeSave: true, Want: &p.Tunnel})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range report.Checks {
				expected := verify.Pass
				switch c.ID {
				case "probe":
					expected = test.want
				case "counters":
					expected = verify.Skip
				}
				if c.Status != expected {
					t.Errorf("%s", fake.CheckText(c))
				}
			}
			checkReport(t, report)
		})
	}
}

// While a tunnel is made, the kept routes are checked, too.
func TestVerifyOwnRouteBeforeSave(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.RemoveRoutes("10.20.0.0/16")
	report, err := verify.Run(t.Context(), w.Start().Host().System, p.Profile, verify.Settings{BeforeSave: true, Want: &p.Tunnel})
	if err != nil || len(report.Failures()) != 1 || report.Failures()[0].ID != "route 10.20.0.0/16" {
		t.Errorf("%v\n%s", err, fake.ReportText(report))
	}
}
