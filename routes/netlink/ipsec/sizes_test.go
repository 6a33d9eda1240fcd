package ipsec

import (
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"

	"nmgre/routes/netlink/wire"
)

// algorithm is an attribute of a state: a name, a key's length, and with icv its length in bits.
func algorithm(kind uint16, name string, icv ...uint32) []byte {
	value := make([]byte, sizeofName, sizeofAuth+4)
	copy(value, name)
	for _, n := range append([]uint32{32}, icv...) {
		value = wire.Native.AppendUint32(value, n)
	}
	return wire.AppendAttribute(nil, kind, append(value, 1, 2, 3, 4))
}

// The attributes of a state that say how long its packets get.
func TestSizes(t *testing.T) {
	const crypt, aead, trunc, auth = nl.XFRMA_ALG_CRYPT, nl.XFRMA_ALG_AEAD, nl.XFRMA_ALG_AUTH_TRUNC, nl.XFRMA_ALG_AUTH
	udp := wire.AppendAttribute(nil, nl.XFRMA_ENCAP, append(wire.Native.AppendUint16(nil, 2), make([]byte, 22)...))
	for _, test := range []struct {
		name       string
		attributes [][]byte
		carries    int // of 1500; 0 where it is not known, -1 for a malformed message
	}{
		{"cbc and sha256", [][]byte{algorithm(auth, "hmac(sha256)"), algorithm(trunc, "hmac(sha256)", 128), algorithm(crypt, "cbc(aes)")}, 1458},
		{"the truncation first", [][]byte{algorithm(trunc, "hmac(sha256)", 128), algorithm(auth, "hmac(sha256)"), algorithm(crypt, "cbc(aes)")}, 1458},
		{"an old kernel", [][]byte{algorithm(auth, "hmac(sha1)"), algorithm(crypt, "cbc(aes)")}, 1458},
		{"gcm", [][]byte{algorithm(aead, "rfc4106(gcm(aes))", 128)}, 1466},
		{"gcm in UDP", [][]byte{algorithm(aead, "rfc4106(gcm(aes))", 128), udp}, 1458},
		{"an unknown cipher", [][]byte{algorithm(crypt, "rot13")}, 0},
		{"an unknown hash", [][]byte{algorithm(auth, "crc"), algorithm(crypt, "cbc(aes)")}, 0},
		{"a monstrous ICV", [][]byte{algorithm(aead, "rfc4106(gcm(aes))", 1<<31)}, 0},
		{"in TCP", [][]byte{algorithm(aead, "rfc4106(gcm(aes))", 128), wire.AppendAttribute(nil, nl.XFRMA_ENCAP, []byte{7, 0})}, 0},
		{"cut off", [][]byte{wire.AppendAttribute(nil, aead, make([]byte, sizeofAlgo))}, -1},
		{"no kind", [][]byte{wire.AppendAttribute(nil, nl.XFRMA_ENCAP, []byte{2})}, -1},
	} {
		message := stateMessage("10.0.0.1", "10.0.0.2", netlink.XFRM_PROTO_ESP, netlink.XFRM_MODE_TRANSPORT, 0x100, 0)
		for _, a := range test.attributes {
			message = append(message, a...)
		}
		s, ok := readState(message)
		if !ok {
			if test.carries >= 0 {
				t.Errorf("%s: malformed", test.name)
			}
			continue
		}
		if got, why := s.sizes.Carries(1500); test.carries > 0 && got != test.carries || (why == "") != (test.carries > 0) {
			t.Errorf("%s: %s carries %d, %q; want %d", test.name, s.sizes, got, why, test.carries)
		}
	}
}
