package netlink

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes/netlink/wire"
)

// part is a message of an answer to the request 7 of the socket 9.
func part(kind, flags uint16, seq, port uint32, body ...byte) []byte {
	m := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(body))
	wire.Native.PutUint32(m, uint32(unix.SizeofNlMsghdr+len(body)))
	wire.Native.PutUint16(m[4:], kind)
	wire.Native.PutUint16(m[6:], flags)
	wire.Native.PutUint32(m[8:], seq)
	wire.Native.PutUint32(m[12:], port)
	m = append(m, body...)
	return append(m, make([]byte, wire.Align(len(m))-len(m))...)
}

// errnoOf are the bytes of the kernel's errno.
func errnoOf(errno unix.Errno) []byte {
	return wire.Native.AppendUint32(nil, uint32(-int32(errno)))
}

// An answer ends with its last message, and messages that answer another request do not count.
func TestTableAnswer(t *testing.T) {
	const kind, multi = unix.RTM_NEWROUTE, unix.NLM_F_MULTI
	for name, c := range map[string]struct {
		datagram    [][]byte
		taken       []byte
		ended, intr bool
		err         error
	}{
		"more follows":       {[][]byte{part(kind, multi, 7, 9, 1), part(kind, multi, 7, 9, 2)}, []byte{1, 2}, false, false, nil},
		"the end":            {[][]byte{part(kind, multi, 7, 9, 1), part(unix.NLMSG_DONE, multi, 7, 9, 0, 0, 0, 0), part(kind, multi, 7, 9, 2)}, []byte{1}, true, false, nil},
		"an end of nothing":  {[][]byte{part(unix.NLMSG_DONE, multi, 7, 9)}, nil, true, false, nil},
		"a single one":       {[][]byte{part(kind, 0, 7, 9, 3)}, []byte{3}, true, false, nil},
		"another's":          {[][]byte{part(kind, multi, 6, 9, 1), part(unix.NLMSG_DONE, multi, 7, 8)}, nil, false, false, nil},
		"another kind":       {[][]byte{part(unix.RTM_NEWLINK, 0, 7, 9, 1)}, nil, false, false, nil},
		"it changed":         {[][]byte{part(kind, multi|unix.NLM_F_DUMP_INTR, 7, 9, 1), part(unix.NLMSG_DONE, multi, 7, 9)}, []byte{1}, true, true, nil},
		"an acknowledgement": {[][]byte{part(unix.NLMSG_ERROR, 0, 7, 9, 0, 0, 0, 0)}, nil, true, false, nil},
		"an error":           {[][]byte{part(unix.NLMSG_ERROR, 0, 7, 9, errnoOf(unix.EPERM)...)}, nil, true, false, unix.EPERM},
		"an error at last":   {[][]byte{part(unix.NLMSG_DONE, multi, 7, 9, errnoOf(unix.ENOENT)...)}, nil, true, false, unix.ENOENT},
		"a short error":      {[][]byte{part(unix.NLMSG_ERROR, 0, 7, 9, 1)}, nil, true, false, wire.ErrMalformed},
		"half a message":     {[][]byte{part(kind, multi, 7, 9, 1)[:16]}, nil, false, false, wire.ErrMalformed},
		"half a header":      {[][]byte{part(kind, multi, 7, 9, 1)[:9]}, nil, false, false, nil},
	} {
		var taken []byte
		a := tableAnswer{seq: 7, port: 9, reply: kind, take: func(body []byte) bool { taken = append(taken, body...); return true }}
		err := a.read(bytes.Join(c.datagram, nil))
		if !slices.Equal(taken, c.taken) || a.ended != c.ended || a.interrupted != c.intr || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, ended %t, interrupted %t, %v", name, taken, a.ended, a.interrupted, err)
		}
	}
}

// Whoever has enough is called no more, and the answer is read to its end.
func TestTableAnswerEnough(t *testing.T) {
	calls := 0
	a := tableAnswer{seq: 7, port: 9, take: func([]byte) bool { calls++; return false }}
	for _, m := range [][]byte{part(unix.RTM_NEWROUTE, unix.NLM_F_MULTI, 7, 9, 1), part(unix.RTM_NEWROUTE, unix.NLM_F_MULTI, 7, 9, 2), part(unix.NLMSG_DONE, unix.NLM_F_MULTI, 7, 9)} {
		if err := a.read(m); err != nil {
			t.Error(err)
		}
	}
	if calls != 1 || !a.ended {
		t.Errorf("%d calls, ended %t", calls, a.ended)
	}
}
