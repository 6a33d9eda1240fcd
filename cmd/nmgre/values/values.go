// Package values reads the values of the command line's flags. Its errors name the flag.
//
// Begin with [Addr].
package values

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// Number reads a number from low to high, decimal or hexadecimal. word, if it is not empty, may
// stand in its place: the hint names it.
func Number(field, text string, low, high uint32, word string) (uint32, error) {
	value, err := strconv.ParseUint(text, 10, 32)
	if hex, found := strings.CutPrefix(text, "0x"); found {
		value, err = strconv.ParseUint(hex, 16, 32)
	}
	if err == nil && value >= uint64(low) && value <= uint64(high) {
		return uint32(value), nil
	}
	hint := fmt.Sprintf("use %d to %d", low, high)
	if word != "" {
		hint += ", or " + word
	}
	return 0, &fault.Error{Kind: fault.ErrInvalid, Field: field, What: fmt.Sprintf("\"%s\" is not possible", fault.Printable(text)), Hint: hint}
}

// Addr reads an address; an empty text is the zero Addr.
func Addr(field, text, hint string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err == nil {
		return a, nil
	}
	if strings.Contains(text, "/") {
		hint = "leave out the prefix length: " + fault.Printable(text[:strings.Index(text, "/")])
	}
	return a, &fault.Error{Kind: fault.ErrInvalid, Field: field, What: fmt.Sprintf("\"%s\" is not an IP address", fault.Printable(text)), Hint: hint}
}

// Peer reads an inner address of the far end.
func Peer(text string) (netip.Addr, error) {
	const hint = "give the far end's inner address, such as 172.16.0.2"
	if text == "" {
		return netip.Addr{}, fault.Invalid("peer-address", hint, "the value is empty")
	}
	return Addr("peer-address", text, hint)
}

// Inner reads an inner address with its prefix length.
func Inner(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err == nil {
		return p, nil
	}
	hint := "write it as 172.16.0.1/30"
	if a, err := netip.ParseAddr(text); err == nil {
		hint = fmt.Sprintf("add the prefix length: %s/30, or /%d for a single address", a, a.BitLen())
	}
	return p, &fault.Error{Kind: fault.ErrInvalid, Field: "address", What: fmt.Sprintf("\"%s\" is not an address with a prefix length", fault.Printable(text)), Hint: hint}
}

// Addrs reads addresses as [Addr] does.
func Addrs(field string, texts []string, hint string) (list []netip.Addr, err error) {
	for _, text := range texts {
		a, err := Addr(field, text, hint)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}
