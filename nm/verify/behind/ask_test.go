package behind

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// far is a world beyond a tunnel: its answer to a request, by the request's source, destination and
// hops, as "10.10.1.1 10.10.2.100" or "172.16.0.1 10.10.2.100 hops 1".
type far struct {
	sync.Mutex

	// "answers", "fails", or an ICMP error as "3/1 172.16.0.2"; nothing for silence
	does map[string]string
	late time.Duration // until an ICMP error comes
	sent []string
}

const roundTrip = 20 * time.Millisecond

func (f *far) probe(ctx context.Context, p kernel.Probe) (result kernel.ProbeResult, err error) {
	key := fmt.Sprintf("%s %s", p.From, p.To)
	if p.Hops > 0 {
		key += fmt.Sprintf(" hops %d", p.Hops)
	}
	f.Lock()
	f.sent = append(f.sent, key)
	does := f.does[key]
	f.Unlock()
	if does == "fails" {
		return result, errors.New("broken")
	}
	wait, result := time.Duration(p.Count)*p.Interval, kernel.ProbeResult{Sent: p.Count}
	var kind, code uint8
	var by string
	if n, _ := fmt.Sscanf(does, "%d/%d %s", &kind, &code, &by); n == 3 {
		wait = roundTrip + f.late
		result.Errors = []kernel.ICMPError{{By: want.Addr(by), Type: kind, Code: code}}
	} else if does == "answers" {
		wait, result = roundTrip, kernel.ProbeResult{Sent: 1, Received: 1, RTT: []time.Duration{roundTrip}}
	}
	select {
	case <-ctx.Done():
		return kernel.ProbeResult{Sent: 1}, ctx.Err()
	case <-time.After(wait):
		return result, nil
	}
}

var (
	inner = Source{Address: want.CIDR("172.16.0.1/30"), Dev: "gre1", Inner: true}
	lan   = Source{Address: want.CIDR("10.10.1.1/24"), Dev: "eth1", Forwards: true}
)

func to(address string, sources ...Source) Found {
	f := Found{To: want.Addr(address)}
	for _, s := range sources {
		f.Asked = append(f.Asked, Asked{Source: s})
	}
	return f
}

// text prints the answers.
func text(f Found) string {
	list := func(asked []Asked) string {
		var texts []string
		for _, a := range asked {
			texts = append(texts, a.Address.Addr().String())
		}
		return strings.Join(texts, " ")
	}
	said := fmt.Sprintf("%s: reached from [%s], silent to [%s]", f.To, list(f.Reached()), list(f.Silent()))
	if f.Itself() {
		said += ", the far end itself"
	}
	if f.Forwards.IsValid() {
		said += fmt.Sprintf(", %s forwards", f.Forwards)
	}
	if e := f.Refusal(kernel.NoWay, kernel.Prohibited, kernel.NoPort, kernel.TooFar); e != nil {
		said += fmt.Sprintf(", %d/%d by %s", e.Type, e.Code, e.By)
	}
	for _, a := range f.Asked {
		if a.Peer.Sent > 0 {
			said += fmt.Sprintf(", the far end answered %s %d times", a.Address.Addr(), a.Peer.Received)
		}
		if a.Err != nil {
			said += fmt.Sprintf(", not asked from %s: %s", a.Address.Addr(), a.Err)
		}
	}
	return said
}

func TestAsk(t *testing.T) {
	const host, forwarded = "10.10.2.100", "11/0 172.16.0.2"
	ask := Question{Dev: "gre1", Peer: want.Addr("172.16.0.2")}
	for _, c := range []struct {
		name string
		does map[string]string
		late time.Duration
		want string
		took time.Duration
	}{
		{"it answers both", map[string]string{"172.16.0.1 " + host: "answers", "10.10.1.1 " + host: "answers", "10.10.1.1 172.16.0.2": "answers", "172.16.0.1 " + host + " hops 1": forwarded}, 0,
			"10.10.2.100: reached from [172.16.0.1 10.10.1.1], silent to [], 172.16.0.2 forwards, the far end answered 10.10.1.1 1 times", roundTrip},
		{"the LAN gets no answer", map[string]string{"172.16.0.1 " + host: "answers", "172.16.0.1 " + host + " hops 1": forwarded}, 0,
			"10.10.2.100: reached from [172.16.0.1], silent to [10.10.1.1], 172.16.0.2 forwards, the far end answered 10.10.1.1 0 times", roundTrip + patience},
		{"nobody gets one", map[string]string{"10.10.1.1 172.16.0.2": "answers"}, 0,
			"10.10.2.100: reached from [], silent to [172.16.0.1 10.10.1.1], the far end answered 10.10.1.1 1 times", longest},
		{"the far end itself", map[string]string{"172.16.0.1 " + host: "answers", "10.10.1.1 " + host: "answers", "10.10.1.1 172.16.0.2": "answers", "172.16.0.1 " + host + " hops 1": "answers"}, 0,
			"10.10.2.100: reached from [172.16.0.1 10.10.1.1], silent to [], the far end itself, the far end answered 10.10.1.1 1 times", roundTrip},
		{"a refusal of its own", map[string]string{"172.16.0.1 " + host: "3/13 " + host, "10.10.1.1 " + host: "3/13 " + host, "10.10.1.1 172.16.0.2": "answers", "172.16.0.1 " + host + " hops 1": forwarded}, 0,
			"10.10.2.100: reached from [172.16.0.1 10.10.1.1], silent to [], 172.16.0.2 forwards, the far end answered 10.10.1.1 1 times", roundTrip},
		{"no host is found, after three seconds", map[string]string{"172.16.0.1 " + host: "3/1 172.16.0.2", "10.10.1.1 " + host: "3/1 172.16.0.2", "10.10.1.1 172.16.0.2": "answers"}, 3 * time.Second,
			"10.10.2.100: reached from [], silent to [172.16.0.1 10.10.1.1], 3/1 by 172.16.0.2, the far end answered 10.10.1.1 1 times", 3*time.Second + roundTrip},
		{"nothing can be sent from the LAN", map[string]string{"172.16.0.1 " + host: "answers", "10.10.1.1 " + host: "fails", "10.10.1.1 172.16.0.2": "fails", "172.16.0.1 " + host + " hops 1": forwarded}, 0,
			"10.10.2.100: reached from [172.16.0.1], silent to [], 172.16.0.2 forwards, not asked from 10.10.1.1: broken", roundTrip},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := far{does: c.does, late: c.late}
				ask.Probe = f.probe
				begin := time.Now()
				found := ask.Begin(t.Context(), []Found{to(host, inner, lan)}).End(true, 0)
				want.Same(t, "what was found", text(found[0]), c.want)
				if took := time.Since(begin); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
			})
		})
	}
}

// All addresses are asked at once. One packet's news of the far end counts for all of them: it
// sends few errors a second.
func TestAskMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := far{does: map[string]string{"172.16.0.1 10.10.2.9 hops 1": "11/0 172.16.0.2"}}
		q, begin := Question{Dev: "gre1", Probe: f.probe}, time.Now()
		var list []Found
		for i := range 32 {
			list = append(list, to(netip.AddrFrom4([4]byte{10, 10, 2, byte(i)}).String(), inner))
		}
		for _, found := range q.Begin(t.Context(), list).End(true, 0) {
			if found.Forwards != want.Addr("172.16.0.2") || len(found.Silent()) != 1 {
				t.Errorf("%s", text(found))
			}
		}
		if took := time.Since(begin); took != longest {
			t.Errorf("it took %s", took)
		}
	})
}

// Nobody waits where the far end does not answer. Where the tunnel copies the TTL, none is limited.
func TestAskEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := far{does: map[string]string{"172.16.0.1 10.10.2.1": "answers"}}
		q, begin := Question{Dev: "gre1", Probe: f.probe, CopiesTTL: true}, time.Now()
		asking := q.Begin(t.Context(), []Found{to("10.10.2.1", inner), to("10.10.2.2", inner), to("10.10.2.3")})
		time.Sleep(time.Second)
		found := asking.End(false, 0)
		if took := time.Since(begin); took != time.Second || len(found[0].Reached()) != 1 || len(found[1].Silent()) != 1 || len(found[2].Silent()) != 0 {
			t.Errorf("after %s: %s; %s; %s", took, text(found[0]), text(found[1]), text(found[2]))
		}
		if sent := strings.Join(f.sent, "; "); len(f.sent) != 2 || strings.Contains(sent, "hops") {
			t.Errorf("it sent %s", sent)
		}
	})
}

// A network is asked for by packets of TTL 1 alone, and nobody waits for it.
func TestAskNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := far{does: map[string]string{"172.16.0.1 10.10.2.128 hops 1": "11/0 172.16.0.2", "172.16.0.1 10.10.3.128 hops 1": "3/0 172.16.0.2"}}
		q := Question{Dev: "gre1", Probe: f.probe}
		var list []Found
		for _, network := range []string{"10.10.2.0/24", "10.10.3.0/24", "10.10.4.0/24"} {
			one := to(strings.Replace(network, ".0/24", ".128", 1), inner)
			one.Network = want.CIDR(network)
			list = append(list, one)
		}
		begin := time.Now()
		found := q.Begin(t.Context(), list).End(true, 2*roundTrip)
		if took := time.Since(begin); took != 2*roundTrip || len(f.sent) != 3 {
			t.Errorf("after %s: %q", took, f.sent)
		}
		if found[0].NearRefusal(kernel.TooFar) == nil || found[1].NearRefusal(kernel.NoWay) == nil || found[2].NearRefusal(kernel.NoWay, kernel.TooFar) != nil {
			t.Errorf("%s; %s; %s", text(found[0]), text(found[1]), text(found[2]))
		}
		q.CopiesTTL = true
		if q.Begin(t.Context(), list).End(true, 0); len(f.sent) != 3 {
			t.Errorf("a packet whose TTL is copied: %q", f.sent)
		}
	})
}

// A Linux router that has told a source of some errors tells it of no others, unless it asks less
// often than every two seconds. See findings/linux-errors-limited-twice.sh.
func TestAsksSlowly(t *testing.T) {
	p := Question{}.from(Asked{Source: Source{Address: want.CIDR("172.16.0.1/30")}}, want.Addr("10.10.2.100"))
	if p.Interval <= 2*time.Second || p.Count < 2 || longest <= 3*time.Second || longest > time.Duration(p.Count)*p.Interval || patience <= p.Interval {
		t.Errorf("it asks %d times, every %s, for %s, and waits %s for other sources", p.Count, p.Interval, longest, patience)
	}
}
