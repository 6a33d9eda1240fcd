package verify

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify/behind"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/pathmtu"
	"nmgre/nm/verify/snat"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// A case is the facts about one tunnel, a line each, and the finding. Below it is the finding of
// somebody who may not listen.
func TestCauses(t *testing.T) {
	told := make(map[string]bool)
	want.Cases(t, "cause", 80, func(t *testing.T, input string) string {
		ev := readFacts(t, input)
		heard := reportOf(t, ev)
		unheard := reportOf(t, unprivileged(ev))
		for _, c := range heard.Checks {
			told[c.Cause] = true
		}
		mustBeHonest(t, heard, unheard)
		return reportText(t, heard) + "without privileges:\n" + reportText(t, unheard)
	})
	list := cause.Causes()
	// those before it are told without a packet: see TestSetupCauses
	first := slices.IndexFunc(list, func(c cause.Cause) bool { return c.ID == "device-down" })
	for _, c := range list[first:] {
		if !told[c.ID] && c.ID != cause.PeersSilent { // see TestVerifyMorePeers
			t.Errorf("no case has the cause %s", c.ID)
		}
	}
}

// mustBeHonest fails if somebody who may not listen is told a wrong cause. One that differs from
// the cause that packets prove has to be a likely one, has to say nothing about whose fault it is,
// and may not be milder.
func mustBeHonest(t *testing.T, heard, unheard Report) {
	t.Helper()
	vague := map[string]bool{"": true, "refused": true, "silent": true, "gre-silent": true, "all-silent": true, "nothing-sent": true, "not-sent": true, "not-encapsulated": true, cause.NoAnswers: true}
	for i, c := range unheard.Checks {
		same := i < len(heard.Checks) && heard.Checks[i].Cause == c.Cause
		if !same && (!vague[c.Cause] || c.Cause != "" && c.Certainty != Likely) {
			t.Errorf("without privileges the check %s says %s (%s)", c.ID, c.Cause, c.Certainty)
		}
		if !same && c.Cause != "" && severity(c.Status) < severity(heard.Verdict) {
			t.Errorf("without privileges the check %s says %s, a %s, and root's verdict is %s", c.ID, c.Cause, c.Status, heard.Verdict)
		}
	}
}

// reportOf makes the checks that the facts decide.
func reportOf(t *testing.T, ev cause.Evidence) Report {
	t.Helper()
	v := verifier{ev: ev, tunnel: ev.Tunnel, link: ev.Link, links: ev.Links, opts: Settings{Probe: true}, report: Report{Tunnel: "gre1", Verdict: Pass}}
	if found := cause.OfProfile(ev); found != nil {
		v.report.add(checkOf("device", found))
		return v.report
	}
	v.checkWarnings()
	v.ev.Probe, v.ev.Grew = kernel.ProbeResult{}, kernel.Counters{} // nothing is sent yet
	if found := cause.OfUnderlay(v.ev); found != nil {
		v.wrongWay = true
		v.report.add(checkOf("underlay", found))
	}
	v.ev.Probe, v.ev.Grew = ev.Probe, ev.Grew
	if to := ev.Behind.To; to.IsValid() {
		v.opts.To, v.behind = []netip.Addr{to}, []behind.Found{ev.Behind}
	}
	if err := errors.Join(v.checkMTU(t.Context()), v.checkPeer(t.Context()), v.checkBehind(t.Context())); err != nil {
		t.Fatal(err)
	}
	if ev.SNAT != nil {
		r := ev.SNAT.Rule
		v.report.add(v.judgeSNAT(Check{ID: r.ID(), Status: Pass, Certainty: Proved, Summary: "the rule is there: " + r.Summary()}, *ev.SNAT))
	}
	v.report.setWorks(append(v.ev.Works(), v.worksBehind()...))
	return v.report
}

// reportText prints the checks of a report that say something.
func reportText(t *testing.T, r Report) string {
	t.Helper()
	failures, text := 0, fmt.Sprintf("%s\n", r.Verdict)
	for _, c := range r.Checks {
		if c.Status == Fail {
			failures++
		}
		if c.Status == Skip || c.Status == Pass && c.ID != "probe" && !strings.HasPrefix(c.ID, "to ") && !strings.HasPrefix(c.ID, "snat") {
			continue
		}
		text += fmt.Sprintf("%s %s: %s (%s): %s\n  seen: %s\n", c.Status, c.ID, c.Cause, c.Certainty, c.Summary, c.Evidence)
		if c.Hint != "" {
			text += "  hint: " + c.Hint + "\n"
		}
		fields, err := c.Facts.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		text += "  facts: " + strings.TrimSpace(string(fields)) + "\n"
		if command, told := c.Facts["mend_here"].(string); told && strings.Contains(command, "GATEWAY") {
			t.Errorf("%q cannot be typed as it is", command)
		}
		if all := c.Summary + c.Evidence + c.Hint; fault.Printable(all) != all || strings.Contains(all, "invalid") {
			t.Errorf("%q would act on a terminal, or shows an address that is not there", all)
		}
	}
	if failures > 1 {
		t.Errorf("%d findings of one cause", failures)
	}
	return text
}

// unprivileged is the evidence that somebody without privileges has.
func unprivileged(ev cause.Evidence) cause.Evidence {
	ev.IPsecUnread = ev.IPsec != (kernel.IPsecPolicies{}) // nobody reads them where there are none
	ev.Rules, ev.IPsec, ev.SNAT = keep.OuterRules{}, kernel.IPsecPolicies{}, nil
	ev.Heard = kernel.Heard{Counters: ev.Heard.Counters, Deaf: deafToAll()}
	return ev
}

func deafToAll() []kernel.Deaf {
	var list []kernel.Deaf
	for _, what := range []string{kernel.HearsSent, kernel.HearsArrived, kernel.HearsAccepted, kernel.HearsErrors} {
		list = append(list, kernel.Deaf{What: what, Err: fault.ErrNotPermitted})
	}
	return list
}

// usualFacts are those of a tunnel without a fault, whose probes nobody has answered yet.
func usualFacts() cause.Evidence {
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Local, tunnel.Remote, tunnel.MTU = "gre1", want.Addr("100.0.1.100"), want.Addr("100.0.2.100"), 1476
	tunnel.Addresses, tunnel.PeerAddress = want.CIDRs("172.16.0.1/30"), want.Addr("172.16.0.2")
	links := []kernel.Link{
		{Index: 1, Name: "gre1", Up: true, MTU: 1476, Addresses: want.CIDRs("172.16.0.1/30", "fe80::1/64"),
			GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: tunnel.Local, Remote: tunnel.Remote, TTL: 64, PMTUD: true}},
		{Index: 2, Name: "eth0", Up: true, MTU: 1500, Addresses: want.CIDRs("100.0.1.100/24")},
	}
	return cause.Evidence{Tunnel: tunnel, Name: "gre1", Link: &links[0], Links: links, Listened: true, Probe: kernel.ProbeResult{Sent: 4},
		Under: cause.Underlay{From: tunnel.Local, Hop: kernel.Hop{Dev: "eth0", Via: want.Addr("100.0.1.1"), Src: tunnel.Local, MTU: 1500}}}
}

// readFacts reads the facts of a case.
func readFacts(t *testing.T, input string) cause.Evidence {
	t.Helper()
	ev := usualFacts()
	for line := range strings.Lines(input) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		readFact(t, &ev, word, strings.Fields(rest), rest)
	}
	return ev
}

// readFact reads one line.
func readFact(t *testing.T, ev *cause.Evidence, word string, args []string, rest string) {
	t.Helper()
	switch word {
	case "#":
	case "key":
		k := want.Ptr(gre.Key(number(t, args[0])))
		ev.Link.MTU, ev.Tunnel.MTU = 1472, 1472
		ev.Tunnel.InputKey, ev.Tunnel.OutputKey, ev.Link.GRE.InputKey, ev.Link.GRE.OutputKey = k, k, k, k
	case "input-key":
		k := want.Ptr(gre.Key(number(t, args[0])))
		ev.Tunnel.InputKey, ev.Link.GRE.InputKey = k, k
	case "ttl":
		n := 0
		if args[0] != "inherit" {
			n = number(t, args[0])
		}
		ev.Tunnel.TTL, ev.Link.GRE.TTL = uint8(n), uint8(n)
	case "wide": // the inner network has more than two hosts
		ev.Tunnel.Addresses = want.CIDRs("172.16.0.1/24")
	case "address": // of a device, which is the far end's
		l := kernel.Named(ev.Links, args[0])
		l.Addresses = append(l.Addresses, want.CIDR(args[1]))
		ev.Link = kernel.Named(ev.Links, "gre1")
	case "name":
		ev.Name = args[0]
	case "no-pmtud":
		ev.Tunnel.NoPMTUD = true
	case "option": // of this end's link
		ev.Link.GRE.Checksum, ev.Link.GRE.Sequence = args[0] == "checksum", args[0] == "sequence"
	case "capability":
		ev.Heard.Deaf = deafToAll()
		ev.Heard.Deaf[0].Err = &fault.Error{Kind: fault.ErrNotPermitted, What: "listen", Hint: "give this container the capability CAP_NET_RAW"}
	case "any-local":
		ev.Tunnel.Local, ev.Link.GRE.Local = netip.IPv4Unspecified(), netip.IPv4Unspecified()
	case "before-save":
		ev.BeforeSave = true
	case "deaf":
		ev.Heard.Deaf = deafToAll()
	case "mtu":
		ev.Tunnel.MTU, ev.Link.MTU = uint32(number(t, args[0])), number(t, args[0])
	case "large": // the whole MTU, a size that fits and one that fails
		ev.Large = pathmtu.Found{Whole: number(t, args[0]), Fits: number(t, args[1]), Fails: number(t, args[2]), Sure: len(args) > 3}
	case "datagrams": // of the whole size
		ev.Large.Datagrams = map[string]pathmtu.Datagrams{"lost": pathmtu.Lost, "carried": pathmtu.Carried}[args[0]]
	case "says": // the far end's ICMP error about packets of TTL 1 to hosts behind it
		kind, code, _ := strings.Cut(args[0], "/")
		ev.Near = append(ev.Near, kernel.ICMPError{By: ev.Tunnel.PeerAddress, Type: uint8(number(t, kind)), Code: uint8(number(t, code))})
	case "sent":
		ev.Probe.Sent, ev.Probe.Received = number(t, args[0]), number(t, args[1])
	case "outer":
		ev.Outer = &kernel.ProbeResult{Sent: number(t, args[0]), Received: number(t, args[1])}
	case "refusal":
		ev.Probe.Refusals = append(ev.Probe.Refusals, rest)
	case "grew":
		for _, arg := range args {
			name, value, _ := strings.Cut(arg, "=")
			reflect.ValueOf(&ev.Grew).Elem().FieldByName(name).SetUint(uint64(number(t, value)))
		}
	case "counter":
		h := &ev.Heard.Counters
		counters := map[string]*uint64{"rp-filter": &h.ReversePathFilter, "in-addr": &h.InAddrErrors, "ipsec-out": &h.IPsecOutNoState, "ipsec-in": &h.IPsecInRefused,
			"ipsec-out-blocked": &h.IPsecOutBlocked, "ipsec-in-blocked": &h.IPsecInBlocked}
		*counters[args[0]] = uint64(number(t, args[1]))
	case "filter": // the device's value, and that of all
		ev.Filter = &keep.ReversePathFilter{Own: number(t, args[0]), All: number(t, args[1])}
	// by a link that NetworkManager does not manage, or the state of the link's profile
	case "shadow":
		p := nm.Profile{UUID: "00000000-0000-4000-8000-000000000001", ID: "gre1", State: nm.StateInactive, Path: "/etc/NetworkManager/system-connections/gre1.nmconnection"}
		ev.Shadow = &cause.Shadow{Profile: p, Link: *ev.Link}
		if len(args) > 0 {
			ev.Shadow.By = &nm.Profile{UUID: "00000000-0000-4000-8000-000000000002", ID: "twin", State: nm.State(args[0])}
		}
	case "ipsec":
		readIPsec(t, ev, args)
	case "snat":
		readSNAT(t, ev, args)
	case "device":
		ev.Links = append(ev.Links, kernel.Link{Index: number(t, args[1]), Name: args[0], Up: true})
		ev.Link = kernel.Named(ev.Links, "gre1")
	case "sends": // another tunnel to the same far end
		ev.Links = append(ev.Links, kernel.Link{Index: 9, Name: args[0], Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr(args[1]), Remote: ev.Tunnel.Remote}})
		ev.Link = kernel.Named(ev.Links, "gre1")
	case "lan":
		ev.LANs = append(ev.LANs, want.CIDR(args[0]))
	case "drops":
		ruling := keep.Ruling{Program: "nftables", Family: "ip", Table: "fault", Base: "faulty", Hook: "input", Chain: "faulty", Handle: 3,
			What: "the chain faulty of the table ip fault drops it", Hint: "sudo nft insert rule ip fault faulty meta l4proto gre accept"}
		ev.Rules.Obstacles = append(ev.Rules.Obstacles, keep.OuterObstacle{Ruling: ruling, Out: args[0] == "out", OnlyNew: args[0] == "new"})
	case "zone":
		ev.Rules = mayDrop(ev.Rules, nm.Zone{Name: args[0], LetsGRE: len(args) > 1}, "eth0")
	case "legacy":
		ruling := keep.Ruling{Program: "iptables-legacy", Family: "ip", Table: "filter", Perhaps: true, What: "iptables-legacy has a table filter, whose rules nmgre cannot read", Hint: "sudo iptables-legacy -t filter -S"}
		ev.Rules.Obstacles = append(ev.Rules.Obstacles, keep.OuterObstacle{Ruling: ruling})
	case "rewrites":
		ruling := keep.Ruling{Program: "nftables", Family: "ip", Table: "fault", Chain: "faulty", Hook: "postrouting", What: "the chain faulty of the table ip fault changes the source"}
		if len(args) > 1 {
			ruling = keep.Ruling{Program: args[1], Family: "ip", Table: "nat", Perhaps: true, What: args[1] + " has a table nat", Hint: "sudo " + args[1] + " -t nat -S"}
		}
		ev.Rules.Rewrites = append(ev.Rules.Rewrites, keep.OuterRewrite{Ruling: ruling, Out: args[0] == "out"})
	case "link":
		readLink(t, ev, args)
	case "under":
		readUnder(t, ev, args[0], strings.TrimSpace(strings.TrimPrefix(rest, args[0])))
	case "to", "astray", "nowhere", "asks", "told", "peer", "near", "forwards":
		readBehind(t, &ev.Behind, word, args, rest)
	default:
		readHeard(t, ev, word, args)
	}
}

// readBehind reads the evidence about an address behind the far end.
func readBehind(t *testing.T, f *behind.Found, word string, args []string, rest string) {
	t.Helper()
	refused := func() kernel.ICMPError {
		kind, code, _ := strings.Cut(args[0], "/")
		return kernel.ICMPError{By: want.Addr(args[1]), Type: uint8(number(t, kind)), Code: uint8(number(t, code))}
	}
	switch word {
	case "to":
		f.To = want.Addr(args[0])
	case "astray": // the device and the route that take its packets
		f.Hop = kernel.Hop{Dev: args[0], Match: want.CIDR(args[1])}
	case "nowhere":
		f.NoRoute = rest
	case "asks": // the source, its kind, how many were sent and answered
		a := behind.Asked{Source: behind.Source{Address: want.CIDR(args[0]), Dev: "eth1", Inner: args[1] == "inner", Forwards: args[1] == "forwarded"}}
		a.Result = kernel.ProbeResult{Sent: number(t, args[2]), Received: number(t, args[3])}
		if a.Result.Received > 0 {
			a.Result.RTT = []time.Duration{1300 * time.Microsecond}
		}
		f.Asked = append(f.Asked, a)
	case "told": // an error that the last source got
		r := &f.Asked[len(f.Asked)-1].Result
		r.Errors = append(r.Errors, refused())
	case "peer": // how many the far end itself answered the last source
		f.Asked[len(f.Asked)-1].Peer = kernel.ProbeResult{Sent: number(t, args[0]), Received: number(t, args[1])}
	case "near":
		f.Near = kernel.ProbeResult{Sent: 1, Received: 1}
	case "forwards":
		f.Forwards = want.Addr(args[0])
	}
}

func readLink(t *testing.T, ev *cause.Evidence, args []string) {
	t.Helper()
	l := kernel.Link{Index: len(ev.Links) + 1, Name: args[0], Up: true, MTU: 1476, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("0.0.0.0"), Remote: want.Addr("0.0.0.0")}}
	if len(args) > 1 {
		l.GRE.Local, l.GRE.Remote = ev.Tunnel.Local, want.Addr(args[1])
		l.GRE.InputKey = want.Ptr(gre.Key(number(t, args[3])))
	}
	if len(args) > 5 { // bound to the device with that index
		l.GRE.Parent = number(t, args[5])
	}
	ev.Links = append(ev.Links, l)
	ev.Link = kernel.Named(ev.Links, "gre1")
}

// readIPsec reads a policy: its direction, and whether it blocks, or has a state.
func readIPsec(t *testing.T, ev *cause.Evidence, args []string) {
	t.Helper()
	near, far := ev.Tunnel.Local, ev.Tunnel.Remote
	of := &ev.IPsec.Out
	if args[0] == "in" {
		near, far, of = far, near, &ev.IPsec.In
	}
	p := kernel.IPsecPolicy{From: netip.PrefixFrom(near, 32), To: netip.PrefixFrom(far, 32), Protocol: 47, Index: 9, Block: args[1] == "block"}
	if !p.Block {
		p.Templates = []kernel.IPsecTemplate{{From: near, To: far, Protocol: "esp", Mode: "transport", Optional: args[1] == "optional", State: args[1] == "state"}}
	}
	*of = &p
}

// readSNAT reads a rule that was tried, and the way of its packet.
func readSNAT(t *testing.T, ev *cause.Evidence, args []string) {
	t.Helper()
	if ev.SNAT == nil {
		ev.SNAT = &snat.Found{Wanted: []netip.Addr{want.Addr("10.10.1.1")}}
		ev.SNAT.Rule = keep.Rule{Dev: "gre1", Inner: want.CIDR("172.16.0.0/30"), SNAT: keep.SNAT{Dst: want.CIDR("10.10.1.0/24"), Source: want.Addr("10.10.1.1")}}
		ev.SNAT.From, ev.SNAT.To, ev.SNAT.Out = want.Addr("172.16.0.1"), want.Addr("10.10.1.2"), "eth1"
	}
	of := &ev.SNAT.Own
	switch args[0] {
	case "sent":
		ev.SNAT.Sent = true
	case "grew":
		ev.SNAT.Grew = uint64(number(t, args[1]))
	case "source":
		of.Sources = append(of.Sources, want.Addr(args[1]))
	case "forwarded":
		of = &ev.SNAT.Forwarded
		fallthrough
	case "taken": // to an address, or to one that is not known
		ruling := keep.Ruling{Program: "nftables", Family: "ip", Table: "fault", Chain: "faulty", Handle: 3, Perhaps: len(args) > 2,
			What: "the chain faulty of the nftables table ip fault (the rule with handle 3) gives packets from 172.16.0.0/30 to 10.10.1.0/24 the source " + args[1],
			Hint: "sudo nft insert rule ip fault faulty ip saddr 172.16.0.0/30 ip daddr 10.10.1.0/24 accept"}
		to, _ := netip.ParseAddr(args[1])
		of.Others = append(of.Others, keep.OuterRewrite{Ruling: ruling, Out: true, To: to})
	default:
		t.Fatalf("snat %s", args[0])
	}
}

func readUnder(t *testing.T, ev *cause.Evidence, word, value string) {
	t.Helper()
	u := &ev.Under
	switch word {
	case "from":
		u.From, ev.Tunnel.Local = want.Addr(value), want.Addr(value)
	case "away":
		u.Away = true
	case "present":
		u.Present = want.Addr(value)
	case "taken": // by another tunnel to the same far end
		u.Present = want.Addr(value)
		ev.Links = append(ev.Links, kernel.Link{Index: 77, Name: "gre7", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: u.Present, Remote: ev.Tunnel.Remote, OutputKey: ev.Tunnel.OutputKey}})
	case "leased": // by DHCP on a device of its own
		u.Present = want.Addr(value)
		ev.Links = append(ev.Links, kernel.Link{Index: len(ev.Links) + 1, Name: "eth7", Up: true, Addresses: []netip.Prefix{netip.PrefixFrom(u.Present, 24)}, Leased: []netip.Addr{u.Present}})
	case "parent":
		u.Parent = value
	case "down":
		u.Down = value
	case "unplugged":
		u.Unplugged = true
	case "no-route":
		u.NoRoute = value
	case "vrf":
		u.VRF = value
	case "no-hop":
		u.Hop = kernel.Hop{}
	case "path":
		u.Path = value
	case "rule":
		u.Rule, u.Pass = value, "ip rule add to 100.0.2.100 table main priority 49"
	case "itself":
		u.Itself = true
	case "loop":
		u.Loop = true
	case "nested":
		u.Nested = true
	case "gateway":
		u.Gateway = value
	case "mtu":
		u.Hop.MTU = number(t, value)
	default:
		t.Fatalf("under %s", word)
	}
}

func readHeard(t *testing.T, ev *cause.Evidence, word string, args []string) {
	t.Helper()
	h := &ev.Heard
	switch word {
	case "leaves":
		h.Sent = append(h.Sent, readPacket(t, args))
	case "arrives":
		h.Arrived = append(h.Arrived, readPacket(t, args))
	case "enters":
		h.Arrived, h.Accepted = append(h.Arrived, readPacket(t, args)), append(h.Accepted, readPacket(t, args))
	case "icmp":
		kind, code, _ := strings.Cut(args[0], "/")
		e := kernel.ICMPError{By: want.Addr(args[1]), Type: uint8(number(t, kind)), Code: uint8(number(t, code))}
		e.Quoted = readPacket(t, []string{"100.0.1.100", "100.0.2.100"})
		for i := 2; i+1 < len(args); i += 2 {
			switch args[i] {
			case "mtu":
				e.MTU = number(t, args[i+1])
			case "protocol":
				e.Quoted.Protocol = uint16(number(t, args[i+1]))
			default:
				e.Quoted.Key = want.Ptr(gre.Key(number(t, args[i+1])))
			}
		}
		h.Errors = append(h.Errors, e)
	default:
		t.Fatalf("%s is no fact", word)
	}
}

// readPacket reads a packet: its outer addresses, its options, and its inner addresses.
func readPacket(t *testing.T, args []string) kernel.Packet {
	t.Helper()
	p := kernel.Packet{From: want.Addr(args[0]), To: want.Addr(args[1]), TTL: 64, Header: gre.Header{Protocol: 0x800}}
	var inner []netip.Addr
	for i := 2; i < len(args); i++ {
		switch args[i] {
		case "key":
			i++
			p.Key = want.Ptr(gre.Key(number(t, args[i])))
		case "seq":
			i++
			p.Sequence = want.Ptr(uint32(number(t, args[i])))
		case "csum":
			p.Checksum = true
		case "reply":
			p.EchoReply = true
		case "by":
			i++
			p.Index = number(t, args[i])
		case "protocol0":
			p.Protocol = 0
		case "ethernet":
			p.Protocol = gre.ProtocolEthernet
		case "v1":
			p.Version = 1
		default:
			inner = append(inner, want.Addr(args[i]))
		}
	}
	if len(inner) == 2 {
		p.InnerFrom, p.InnerTo = inner[0], inner[1]
	}
	return p
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
