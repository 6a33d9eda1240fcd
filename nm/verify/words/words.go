// Package words puts keys and packets into words, for the causes that verify names.
//
// It is pure. Begin with [PacketText].
package words

import (
	"fmt"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// KeyText writes a key, or its absence.
func KeyText(k *gre.Key) string {
	if k == nil {
		return "no key"
	}
	return "key " + k.String()
}

// KeyWord is the value of --key for a key, or its absence.
func KeyWord(k *gre.Key) string {
	if k == nil {
		return "none"
	}
	return k.String()
}

// KeyFact is a key as a fact: a number, or "none".
func KeyFact(k *gre.Key) any {
	if k == nil {
		return "none"
	}
	return uint32(*k)
}

// PacketText describes a packet by its headers.
func PacketText(p kernel.Packet) string {
	text := fmt.Sprintf("a GRE packet from %s to %s with %s", p.From, p.To, KeyText(p.Key))
	if p.Checksum {
		text += ", a checksum"
	}
	if p.Sequence != nil {
		text += fmt.Sprintf(", sequence number %d", *p.Sequence)
	}
	if p.InnerFrom.IsValid() && p.InnerTo.IsValid() {
		text += fmt.Sprintf(", which carries %s to %s", p.InnerFrom, p.InnerTo)
	}
	return text
}
