package echo

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"nmgre/routes/kernel"
	"nmgre/testdata/netns"
)

// A host that does not answer echo requests is asked once more, by UDP.
func TestKnock(t *testing.T) {
	for address, family := range map[string]string{"127.0.0.1": "ipv4/icmp_echo_ignore_all", "::1": "ipv6/icmp/echo_ignore_all"} {
		for _, knocks := range []bool{true, false} {
			ns := netns.New(t)
			ns.Sysctl("net/"+family, "1")
			err := ns.Do(func() error {
				listener, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address), Port: knockPort})
				if err != nil {
					return err
				}
				defer func() { _ = listener.Close() }()
				lo := kernel.Link{Index: 1, Name: "lo"}
				p := probeOf(address)
				p.From, p.Count, p.Knock = p.To, 3, knocks
				r, err := Run(context.Background(), p, lo)
				if err != nil {
					return err
				}
				if r.Received != 0 || r.Sent != 3 {
					return errors.New("the echo requests were answered")
				}
				_ = listener.SetReadDeadline(time.Now().Add(time.Second / 5))
				n := 0
				for ; ; n++ {
					if _, _, err := listener.ReadFrom(make([]byte, 1)); err != nil {
						break
					}
				}
				if knocks != (n == 1) || n > 1 {
					t.Errorf("%s, Knock %v: %d datagrams", address, knocks, n)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
}

// Who answers the datagram alone is there: it refuses it itself.
func TestKnockIsAnswered(t *testing.T) {
	for address, family := range map[string]string{"127.0.0.1": "ipv4/icmp_echo_ignore_all", "::1": "ipv6/icmp/echo_ignore_all"} {
		ns := netns.New(t)
		ns.Sysctl("net/"+family, "1")
		err := ns.Do(func() error {
			p := probeOf(address)
			p.From, p.Count, p.Interval, p.Knock = p.To, 3, 50*time.Millisecond, true
			r, err := Run(context.Background(), p, kernel.Link{Index: 1, Name: "lo"})
			if err == nil && (r.Received != 0 || len(r.Refusals) != 1 || len(r.Errors) != 1 || r.Errors[0].By != p.To || r.Errors[0].Meaning() != kernel.NoPort) {
				t.Errorf("%s: %+v", address, r)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
