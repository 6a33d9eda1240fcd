package echo

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/testdata/want"
)

func TestAddresses(t *testing.T) {
	for text, zone := range map[string]uint32{"192.0.2.2": 0, "2001:db8::2": 0, "fe80::2": 7, "fe80::2%v0": 7} {
		a := want.Addr(text)
		s := sockaddr(a, 7)
		if got := addrOf(s); got != a.WithZone("") {
			t.Errorf("%s: got %s", text, got)
		}
		if six, ok := s.(*unix.SockaddrInet6); ok && six.ZoneId != zone {
			t.Errorf("%s: scope %d, want %d", text, six.ZoneId, zone)
		}
	}
	if got := addrOf(&unix.SockaddrUnix{}); got.IsValid() {
		t.Errorf("got %s", got)
	}
}

func TestMessage(t *testing.T) {
	four, six := want.Addr("192.0.2.2"), want.Addr("2001:db8::2")
	message := []byte("an ICMP message")
	for name, c := range map[string]struct {
		socket socket
		packet []byte
		want   []byte
	}{
		"raw":             {socket{raw: true}, inIP(four, message), message},
		"raw, IP options": {socket{raw: true}, inIP(four, message, 1, 1, 1, 1), message},
		"raw, cut":        {socket{raw: true}, inIP(four, message)[:19], nil},
		"raw, IPv6":       {socket{raw: true, v6: true}, message, message},
		"raw, no IPv4":    {socket{raw: true}, inIP(six, message), nil},
		"ping":            {socket{}, message, message},
		"ping, IPv6":      {socket{v6: true}, message, message},
	} {
		if got := c.socket.message(c.packet); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
