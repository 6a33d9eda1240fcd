package echo

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"nmgre/testdata/want"
)

var sentAt = time.Unix(1000, 0)

// series is a series of two requests that are on their way, and the second of them.
func series(to string) (e *echoes, request []byte) {
	e = &echoes{to: want.Addr(to), id: 0x1234, nonce: [nonceSize]byte([]byte("sixteen bytes..."))}
	e.next(sentAt)
	return e, e.next(sentAt.Add(time.Second))
}

// replyTo turns an echo request into its answer.
func replyTo(request []byte) []byte {
	reply := bytes.Clone(request)
	reply[0] = echoReply4
	if request[0] == echoRequest6 {
		reply[0] = echoReply6
	}
	return reply
}

// inIP puts a message into an IP packet to an address, with an IPv4 option when there is one.
func inIP(to netip.Addr, message []byte, options ...byte) []byte {
	if to.Is4() {
		packet := make([]byte, 20)
		packet[0], packet[9] = byte(0x45+len(options)/4), protocolICMP
		copy(packet[16:], to.AsSlice())
		return append(append(packet, options...), message...)
	}
	packet := make([]byte, 40)
	packet[0], packet[6] = 0x60, protocolICMPv6
	binary.BigEndian.PutUint16(packet[4:], uint16(len(message)))
	copy(packet[24:], to.AsSlice())
	return append(packet, message...)
}

// icmpError is an ICMP error that quotes a packet.
func icmpError(kind, code byte, info uint32, quoted []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind, code, 0, 0}, info), quoted...)
}

func TestRequestChecksum(t *testing.T) {
	_, request := series("192.0.2.2")
	if checksum(request) != 0 {
		t.Errorf("% x has a wrong checksum", request)
	}
	// The example of RFC 1071, section 3.
	if got := checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != 0x220d {
		t.Errorf("got %#x", got)
	}
}

// A request with a size has it, with the headers, and only an answer of that size counts.
func TestRequestOfASize(t *testing.T) {
	for to, header := range map[string]int{"192.0.2.2": ipHeader4, "2001:db8::2": ipHeader6} {
		for _, size := range []int{64, 1471, 1472} {
			e := echoes{to: want.Addr(to), id: 0x1234, nonce: [nonceSize]byte([]byte("sixteen bytes...")), padding: size - smallest(want.Addr(to))}
			request := e.next(sentAt)
			if len(request)+header != size || !e.v6() && checksum(request) != 0 {
				t.Errorf("%s: %d bytes, want %d; checksum %#x", to, len(request)+header, size, checksum(request))
			}
			e.receive(replyTo(request)[:icmpHeader+nonceSize-1], e.to, sentAt)
			e.receive(append(replyTo(request), 0), e.to, sentAt)
			if e.result.Received != 0 {
				t.Errorf("%s: an answer of another size counts", to)
			}
			if e.receive(replyTo(request), e.to, sentAt); e.result.Received != 1 {
				t.Errorf("%s: %+v", to, e.result)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, to := range []string{"192.0.2.2", "2001:db8::2", "fe80::2%v0"} {
		from := want.Addr(to).WithZone("")
		for name, c := range map[string]struct {
			change func(reply []byte) []byte
			from   netip.Addr
			want   int
		}{
			"answer":           {func(b []byte) []byte { return b }, from, 1},
			"of another host":  {func(b []byte) []byte { return b }, from.Next(), 0},
			"other identifier": {func(b []byte) []byte { b[4]++; return b }, from, 0},
			"never asked":      {func(b []byte) []byte { b[7] = 3; return b }, from, 0},
			"sequence 0":       {func(b []byte) []byte { b[7] = 0; return b }, from, 0},
			"other payload":    {func(b []byte) []byte { b[20]++; return b }, from, 0},
			"payload cut":      {func(b []byte) []byte { return b[:len(b)-1] }, from, 0},
			"payload longer":   {func(b []byte) []byte { return append(b, 0) }, from, 0},
			"no payload":       {func(b []byte) []byte { return b[:icmpHeader] }, from, 0},
			"half a header":    {func(b []byte) []byte { return b[:icmpHeader-1] }, from, 0},
			"the request":      {func(b []byte) []byte { b[0] = echoRequest4; return b }, from, 0},
		} {
			e, request := series(to)
			message := c.change(replyTo(request))
			for range 2 { // a duplicate does not count
				e.receive(message, c.from, sentAt.Add(1200*time.Millisecond))
			}
			if e.result.Received != c.want || len(e.result.RTT) != c.want || e.result.Sent != 2 || len(e.result.Refusals) > 0 {
				t.Errorf("%s, %s: %+v", to, name, e.result)
			}
			if c.want == 1 && e.result.RTT[0] != 200*time.Millisecond {
				t.Errorf("%s, %s: %s", to, name, e.result.RTT)
			}
		}
	}
}

func TestQuotedErrors(t *testing.T) {
	const router4, router6 = "192.0.2.254", "2001:db8::fe"
	to4, to6 := want.Addr("192.0.2.2"), want.Addr("2001:db8::2")
	_, request4 := series(to4.String())
	_, request6 := series(to6.String())
	wrong := bytes.Clone(request4)
	wrong[len(wrong)-1]++
	for name, c := range map[string]struct {
		to, router string
		message    []byte
		want       string
	}{
		"host unreachable":     {"192.0.2.2", router4, icmpError(3, 1, 0, inIP(to4, request4)), "host unreachable, from 192.0.2.254"},
		"only eight bytes":     {"192.0.2.2", router4, icmpError(3, 13, 0, inIP(to4, request4[:8])), "administratively prohibited, from 192.0.2.254"},
		"frag needed":          {"192.0.2.2", router4, icmpError(3, 4, 1400, inIP(to4, request4)), "fragmentation needed, MTU 1400, from 192.0.2.254"},
		"with IP options":      {"192.0.2.2", router4, icmpError(11, 0, 0, inIP(to4, request4, 1, 1, 1, 1)), "time to live exceeded, from 192.0.2.254"},
		"unknown code":         {"192.0.2.2", router4, icmpError(3, 77, 0, inIP(to4, request4)), "ICMP error of type 3, code 77, from 192.0.2.254"},
		"parameter problem":    {"192.0.2.2", router4, icmpError(12, 0, 0, inIP(to4, request4)), "parameter problem, from 192.0.2.254"},
		"another's payload":    {"192.0.2.2", router4, icmpError(3, 1, 0, inIP(to4, wrong)), ""},
		"to another host":      {"192.0.2.2", router4, icmpError(3, 1, 0, inIP(to4.Next(), request4)), ""},
		"quotes a reply":       {"192.0.2.2", router4, icmpError(3, 1, 0, inIP(to4, replyTo(request4))), ""},
		"quotes seven bytes":   {"192.0.2.2", router4, icmpError(3, 1, 0, inIP(to4, request4[:7])), ""},
		"quotes half a header": {"192.0.2.2", router4, icmpError(3, 1, 0, inIP(to4, request4)[:19]), ""},
		"header of 4 bytes":    {"192.0.2.2", router4, icmpError(3, 1, 0, append([]byte{0x41}, inIP(to4, request4)[1:]...)), ""},
		"quotes nothing":       {"192.0.2.2", router4, icmpError(3, 1, 0, nil), ""},
		"a redirect":           {"192.0.2.2", router4, icmpError(5, 1, 0, inIP(to4, request4)), ""},

		"no route":            {"2001:db8::2", router6, icmpError(1, 0, 0, inIP(to6, request6)), "no route, from 2001:db8::fe"},
		"too big":             {"2001:db8::2", router6, icmpError(2, 0, 1280, inIP(to6, request6)), "packet too big, MTU 1280, from 2001:db8::fe"},
		"hop limit":           {"2001:db8::2", router6, icmpError(3, 0, 0, inIP(to6, request6)), "time to live exceeded, from 2001:db8::fe"},
		"IPv6, another host":  {"2001:db8::2", router6, icmpError(1, 0, 0, inIP(to6.Next(), request6)), ""},
		"IPv6, half a header": {"2001:db8::2", router6, icmpError(1, 0, 0, inIP(to6, request6)[:39]), ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := series(c.to)
			for range 2 { // each once
				e.receive(c.message, want.Addr(c.router), sentAt)
			}
			var expected []string
			if c.want != "" {
				expected = []string{c.want}
			}
			if !slices.Equal(e.result.Refusals, expected) || e.result.Received != 0 {
				t.Errorf("got %q", e.result.Refusals)
			}
			told := len(e.result.Errors) == 1 && e.result.Errors[0].By == want.Addr(c.router) && e.result.Errors[0].Type == c.message[0] && e.result.Errors[0].Code == c.message[1]
			if told != (c.want != "") || len(e.result.Errors) > 1 {
				t.Errorf("got %+v", e.result.Errors)
			}
		})
	}
}

// extendedError is the ancillary data of a message from an error queue.
func extendedError(level, kind int32, origin, icmpType, code byte, offender []byte) []byte {
	data := binary.NativeEndian.AppendUint32(nil, uint32(unix.EMSGSIZE))
	data = append(data, origin, icmpType, code, 0)
	data = binary.NativeEndian.AppendUint32(data, 1400)
	data = binary.NativeEndian.AppendUint32(data, 0)
	data = append(data, offender...)
	b, head := make([]byte, unix.CmsgSpace(len(data))), unix.CmsgLen(0)
	(*unix.Cmsghdr)(unsafe.Pointer(&b[0])).SetLen(unix.CmsgLen(len(data))) // of 4 or 8 bytes
	binary.NativeEndian.PutUint32(b[head-8:], uint32(level))
	binary.NativeEndian.PutUint32(b[head-4:], uint32(kind))
	copy(b[head:], data)
	return b
}

func TestErrorQueue(t *testing.T) {
	four := append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET), 0, 0, 192, 0, 2, 254)
	six := append(append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), 0, 0, 0, 0, 0, 0), want.Addr("2001:db8::fe").AsSlice()...)
	for name, c := range map[string]struct {
		to        string
		ancillary []byte
		want      string
	}{
		"IPv4":        {"192.0.2.2", extendedError(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 1, four), "host unreachable, from 192.0.2.254"},
		"MTU":         {"192.0.2.2", extendedError(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 4, four), "fragmentation needed, MTU 1400, from 192.0.2.254"},
		"IPv6":        {"2001:db8::2", extendedError(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.SO_EE_ORIGIN_ICMP6, 1, 3, six), "address unreachable, from 2001:db8::fe"},
		"local":       {"192.0.2.2", extendedError(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_LOCAL, 0, 0, nil), "this host: message too long"},
		"no sender":   {"192.0.2.2", extendedError(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 0, four[:7]), "network unreachable"},
		"other level": {"192.0.2.2", extendedError(unix.SOL_SOCKET, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 1, four), ""},
		"cut":         {"192.0.2.2", extendedError(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 1, four)[:24], ""},
		"none":        {"192.0.2.2", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, request := series(c.to)
			e.receiveError(replyTo(request), c.ancillary) // not about a request of ours
			e.receiveError(request, c.ancillary)
			if got := append(e.result.Refusals, ""); got[0] != c.want {
				t.Errorf("got %q", e.result.Refusals)
			}
		})
	}
}

func TestRefusalsBounded(t *testing.T) {
	e, request := series("192.0.2.2")
	for code := range 200 {
		e.receive(icmpError(3, byte(code), 0, inIP(e.to, request)), want.Addr("192.0.2.254"), sentAt)
	}
	if len(e.result.Refusals) != maxRefusals || len(e.result.Errors) != maxRefusals {
		t.Errorf("%d refusals, %d errors", len(e.result.Refusals), len(e.result.Errors))
	}
}

// FuzzICMP checks that no packet does harm, and that only one with all of the payload counts as an
// answer.
func FuzzICMP(f *testing.F) {
	for _, to := range []string{"192.0.2.2", "2001:db8::2"} {
		e, request := series(to)
		f.Add(e.v6(), replyTo(request), []byte(nil))
		f.Add(e.v6(), icmpError(3, 1, 0, inIP(e.to, request)), []byte(nil))
		f.Add(e.v6(), request, extendedError(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 1, nil))
	}
	f.Fuzz(func(t *testing.T, v6 bool, packet, ancillary []byte) {
		to := "192.0.2.2"
		if v6 {
			to = "2001:db8::2"
		}
		e, _ := series(to)
		_, _ = rand.Read(e.nonce[:])
		e.receive(packet, e.to, sentAt)
		if e.result.Received > 0 {
			t.Error("guessed a payload")
		}
		socket := socket{raw: true, v6: v6}
		e.receive(socket.message(packet), e.to, sentAt)
		e.receiveError(packet, ancillary)
	})
}
