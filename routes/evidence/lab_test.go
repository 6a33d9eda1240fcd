package evidence

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/netns"
	"nmgre/testdata/want"
)

// needGRE skips the test outside the lab. The lab's hosts are not touched: these tests need only
// the lab's kernel, and make namespaces of their own.
func needGRE(t *testing.T) {
	t.Helper()
	if os.Getenv("NMGRE_LAB") != "1" {
		t.Skip("needs the lab: run make test")
	}
}

// TestLabOtherKernel runs tests that need no GRE, and do not suffer from it, in the lab's kernel,
// which is an older one.
func TestLabOtherKernel(t *testing.T) {
	needGRE(t)
	for name, test := range map[string]func(t *testing.T){
		"Firewall": TestFirewall, "Others": TestOthers, "OtherDevice": TestOtherDevice, "Flood": TestFlood, "NotPermitted": TestNotPermitted,
		"Counters": TestCounters, "NothingLeaks": TestNothingLeaks, "StopHearsAll": TestStopHearsAll,
	} {
		t.Run(name, test)
	}
}

// addTunnel adds tun0 to a namespace, by the cable.
func addTunnel(ns *netns.Namespace, mode gre.Mode, ends kernel.Ends, keys, inner string) {
	ns.T.Helper()
	ttl := "ttl"
	if mode.IPv6Outer() {
		ttl = "hoplimit"
	}
	ns.IP(fmt.Sprintf("link add tun0 type %s local %s remote %s %s %s 64", mode, ends.Local, ends.Remote, keys, ttl),
		"addr add "+inner+"/30 dev tun0", "link set tun0 up")
}

// endsOf are the ends of a tunnel of a mode that sends the key 42, as near sees it.
func endsOf(mode gre.Mode) kernel.Ends {
	ends := ends4()
	if mode.IPv6Outer() {
		ends = ends6()
	}
	ends.Mode = mode
	return ends
}

func other(e kernel.Ends) kernel.Ends {
	e.Local, e.Remote = e.Remote, e.Local
	return e
}

// ping sends echo requests into the tunnel, as `ping` does.
func ping(ns *netns.Namespace) {
	_, _ = ns.Run("ping", "-c", "2", "-i", "0.3", "-W", "1", "172.16.0.2")
}

// has reports whether a list has a packet of the sender with that key and, if inner addresses are
// given, one that carries a packet between them.
func has(list []kernel.Packet, sender netip.Addr, key gre.Key, inner ...string) bool {
	for _, p := range list {
		carries := len(inner) == 0 || p.InnerFrom == want.Addr(inner[0]) && p.InnerTo == want.Addr(inner[1])
		if p.From == sender && gre.SameKey(p.Key, &key) && !p.Cut && p.TTL == 64 && carries {
			return true
		}
	}
	return false
}

// TestLabTunnel listens beside real tunnels of every mode: one that works, one whose far end has
// another key, one whose far end is not there, and one whose far end is down.
func TestLabTunnel(t *testing.T) {
	needGRE(t)
	for _, mode := range gre.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			p, ends := newPair(t), endsOf(mode)
			addTunnel(p.near, mode, ends, "ikey 7 okey 42", "172.16.0.1")
			addTunnel(p.far, mode, other(ends), "ikey 42 okey 7", "172.16.0.2")
			heard := hear(p.near, ends, func() { ping(p.near) })
			if !has(heard.Sent, ends.Local, 42, "172.16.0.1", "172.16.0.2") || !has(heard.Arrived, ends.Remote, 7, "172.16.0.2", "172.16.0.1") ||
				!has(heard.Accepted, ends.Remote, 7, "172.16.0.2", "172.16.0.1") || len(heard.Errors) != 0 || len(heard.Deaf) != 0 {
				t.Errorf("a healthy tunnel:\n%s", text(heard))
			}

			p.far.IP("link del tun0")
			refused(t, p, ends, "no tunnel at the far end")

			addTunnel(p.far, mode, other(ends), "ikey 9 okey 8", "172.16.0.2")
			heard = refused(t, p, ends, "another key at the far end", func() { _, _ = p.far.Run("ping", "-c", "2", "-i", "0.3", "-W", "1", "172.16.0.1") })
			// of gretap, no more than questions for the neighbour
			if !has(heard.Accepted, ends.Remote, 8) {
				t.Errorf("the far end's key:\n%s", text(heard))
			}

			p.far.IP("link set tun0 down")
			refused(t, p, ends, "the far end's tunnel is down")
		})
	}
}

// refused pings, and expects that the far end's kernel refuses, with our key in its quote.
func refused(t *testing.T, p pair, ends kernel.Ends, what string, besides ...func()) kernel.Heard {
	t.Helper()
	l := listenOn(context.Background(), p.near, ends)
	for _, f := range besides {
		f()
	}
	ping(p.near)
	select {
	case <-l.Refused():
	case <-time.After(5 * time.Second):
		t.Errorf("%s: it was not refused", what)
	}
	heard := l.Stop()
	kind, code := uint8(kernel.ICMPUnreachable), uint8(3)
	if ends.Mode.IPv6Outer() {
		kind, code = kernel.ICMP6Unreachable, 4
	}
	for _, e := range heard.Errors {
		if e.By == ends.Remote && e.Type == kind && e.Code == code && has([]kernel.Packet{e.Quoted}, ends.Local, 42, "172.16.0.1", "172.16.0.2") {
			return heard
		}
	}
	t.Errorf("%s: no error quotes our packet\n%s", what, text(heard))
	return heard
}
