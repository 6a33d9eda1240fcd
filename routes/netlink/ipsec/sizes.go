package ipsec

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// stateAlign4 is a flag of a state (XFRM_STATE_ALIGN4).
const stateAlign4 = 64

// Lengths of the kernel's structs (linux/xfrm.h), without the keys behind them: a name, the key's
// length, and in two of them the ICV's length. Lengths are in bits.
const (
	sizeofName = 64
	sizeofAlgo = sizeofName + 4
	sizeofAuth = sizeofAlgo + 4
)

// defaultICV are the lengths of ICVs, in bytes, of hashes that come without one (xfrm_algo.c). The
// kernel tells the length since 2.6.33.
var defaultICV = map[string]int{"digest_null": 0, "hmac(md5)": 12, "hmac(sha1)": 12, "hmac(sha256)": 12, "hmac(sha384)": 24, "hmac(sha512)": 32,
	"hmac(rmd160)": 12, "xcbc(aes)": 12, "cmac(aes)": 12}

// readSizes reads the attributes of a state that say how long its packets are.
func readSizes(s *kernel.IPsecState, attributes []byte) error {
	truncated := false
	return wire.EachAttribute(attributes, func(kind uint16, value []byte) error {
		switch kind {
		case nl.XFRMA_ALG_CRYPT:
			return readAlgorithm(value, sizeofAlgo, &s.Cipher, nil)
		case nl.XFRMA_ALG_AEAD:
			truncated = true
			return readAlgorithm(value, sizeofAuth, &s.Cipher, &s.ICV)
		case nl.XFRMA_ALG_AUTH_TRUNC:
			truncated = true
			return readAlgorithm(value, sizeofAuth, &s.Hash, &s.ICV)
		case nl.XFRMA_ALG_AUTH:
			if truncated {
				return nil
			}
			err := readAlgorithm(value, sizeofAlgo, &s.Hash, nil)
			icv, known := defaultICV[s.Hash]
			if s.ICV = icv; !known {
				s.ICV = -1
			}
			return err
		case nl.XFRMA_ENCAP:
			return readEncap(value, &s.Encap)
		}
		return nil
	})
}

// readAlgorithm reads a name, and the length of the ICV if icv is not nil.
func readAlgorithm(value []byte, size int, name *string, icv *int) error {
	if len(value) < size {
		return fmt.Errorf("an algorithm of %d bytes: %w", len(value), wire.ErrMalformed)
	}
	text, _, _ := bytes.Cut(value[:sizeofName], []byte{0})
	*name = fault.Printable(string(text))
	if icv != nil {
		bits := binary.NativeEndian.Uint32(value[sizeofAlgo:])
		if *icv = int(bits / 8); bits%8 != 0 || bits > 512*8 {
			*icv = -1
		}
	}
	return nil
}

// readEncap reads the kind of the header in front of ESP (struct xfrm_encap_tmpl).
func readEncap(value []byte, encap *string) error {
	const inUDP = 2 // UDP_ENCAP_ESPINUDP
	if len(value) < 2 {
		return fmt.Errorf("an encapsulation of %d bytes: %w", len(value), wire.ErrMalformed)
	}
	*encap = "udp"
	if kind := binary.NativeEndian.Uint16(value); kind != inUDP {
		*encap = fmt.Sprintf("number %d", kind)
	}
	return nil
}
