package bulk

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
)

// decoder reads values in D-Bus' little-endian form (D-Bus specification, "Marshaling"), into the
// Go types that godbus has for them. After an error, which is always [ErrUnknown], it reads zeros.
type decoder struct {
	data  []byte
	at    int
	depth int
	err   error
	big   bool // the most significant byte comes first
}

// maxDepth bounds the depth of values within values, as the specification does.
const maxDepth = 64

// signatures are the signatures of the values that profiles have, parsed once.
var signatures = sync.OnceValue(func() map[string]dbus.Signature {
	known := make(map[string]dbus.Signature)
	for _, s := range []string{"y", "b", "n", "q", "i", "u", "x", "t", "d", "s", "o", "g", "v", "as", "ay", "au", "aay", "a{ss}", "a{sv}", "aa{sv}"} {
		known[s] = dbus.ParseSignatureMust(s)
	}
	return known
})

// spare is the memory of the settings that were decoded last. To make new maps for each profile
// takes half of the time to read it.
type spare struct {
	all    Settings
	values Settings // of each setting
}

// Limits of the memory that is kept: the settings of a profile, and the properties of one of them.
const (
	maxSpare       = 16
	maxSpareValues = 64
)

// of returns an empty map for a setting's properties.
func (s *spare) of(setting string) map[string]dbus.Variant {
	values := s.values[setting]
	if values == nil || len(values) > maxSpareValues {
		values = make(map[string]dbus.Variant)
	}
	clear(values)
	if len(s.values) < maxSpare || s.values[setting] != nil {
		s.values[setting] = values
	}
	return values
}

// decodeSettings reads a body of the type a{sa{sv}}, in either order of bytes. The settings are
// good until the next ones are read with the same memory.
func decodeSettings(body []byte, big bool, memory *spare) (Settings, error) {
	d := &decoder{data: body, big: big}
	if memory.all == nil {
		*memory = spare{make(Settings), make(Settings)}
	}
	all := memory.all
	clear(all)
	for end := d.array(8); d.at < end; {
		d.align(8)
		setting := d.name()
		values := memory.of(setting)
		for end := d.array(8); d.at < end; {
			d.align(8)
			property := d.name()
			if property == "addresses" || property == "routes" {
				d.skipArray(d.signature())
				continue
			}
			values[property] = d.variant()
		}
		all[setting] = values
	}
	if d.err != nil {
		return nil, d.err
	}
	return all, nil
}

func (d *decoder) fail() {
	d.err = ErrUnknown
	d.at = len(d.data)
}

// take returns the next n bytes, or nil if fewer are left.
func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.data)-d.at {
		d.fail()
		return nil
	}
	b := d.data[d.at : d.at+n]
	d.at += n
	return b
}

// align skips the filling before a value that starts at a multiple of n bytes.
func (d *decoder) align(n int) {
	if rest := d.at % n; rest != 0 {
		d.take(min(n-rest, len(d.data)-d.at)) // at the end of the data there is none
	}
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

// number reads an unsigned number of n bytes.
func (d *decoder) number(n int) uint64 {
	d.align(n)
	b := d.take(n)
	switch {
	case b == nil:
		return 0
	case d.big:
		var v uint64
		for _, digit := range b {
			v = v<<8 | uint64(digit)
		}
		return v
	case n == 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case n == 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// text reads a string or an object path.
func (d *decoder) text() (string, error) {
	b := d.take(int(d.number(4)))
	if d.byte() != 0 {
		d.fail()
	}
	return string(b), d.err
}

// skipText skips a string or an object path.
func (d *decoder) skipText() {
	if d.take(int(d.number(4))); d.byte() != 0 {
		d.fail()
	}
}

// names are names that most profiles have, of settings, properties and attributes. All decoded
// profiles share these strings.
var names = sync.OnceValue(func() map[string]string {
	known := make(map[string]string)
	for name := range strings.FieldsSeq("connection ip-tunnel ipv4 ipv6 proxy user id uuid type interface-name autoconnect timestamp " +
		"permissions mode parent local remote ttl tos mtu input-key output-key method address-data route-data dns dns-search address prefix dest " +
		"next-hop metric data addr-gen-mode table src from scope weight onlink window cwnd initcwnd initrwnd advmss rto_min quickack lock-mtu lock-window " +
		"lock-cwnd lock-initcwnd lock-initrwnd lock-advmss forwarding") {
		known[name] = name
	}
	return known
})

// name reads a string that is often one of names.
func (d *decoder) name() string {
	b := d.take(int(d.number(4)))
	if d.byte() != 0 {
		d.fail()
	}
	if known, ok := names()[string(b)]; ok { // the compiler allocates no string for this
		return known
	}
	return string(b)
}

// signature reads a signature, such as the one in front of a variant.
func (d *decoder) signature() string {
	b := d.take(int(d.byte()))
	if d.byte() != 0 {
		d.fail()
	}
	return string(b)
}

// array reads the length of an array and returns the offset of its end. Its elements start at a
// multiple of align bytes.
func (d *decoder) array(align int) int {
	n := int(d.number(4))
	d.align(align)
	if n > len(d.data)-d.at {
		d.fail()
		return d.at
	}
	return d.at + n
}

// skipArray skips an array of any type.
func (d *decoder) skipArray(signature string) {
	align := 4
	switch {
	case len(signature) < 2 || signature[0] != 'a':
		d.fail()
		return
	case strings.IndexByte("xtd({", signature[1]) >= 0:
		align = 8
	}
	d.at = d.array(align)
}

// variant reads a variant: a signature and a value.
func (d *decoder) variant() dbus.Variant {
	text := d.signature()
	signature, ok := signatures()[text]
	if !ok || d.depth >= maxDepth {
		d.fail()
		return dbus.Variant{}
	}
	d.depth++
	defer func() { d.depth-- }()
	return dbus.MakeVariantWithSignature(d.value(text), signature)
}

// value reads a value of one of the known types.
func (d *decoder) value(signature string) any {
	switch signature {
	case "y":
		return d.byte()
	case "b":
		return d.number(4) == 1
	case "n":
		return int16(d.number(2))
	case "q":
		return uint16(d.number(2))
	case "i":
		return int32(d.number(4))
	case "u":
		return uint32(d.number(4))
	case "x":
		return int64(d.number(8))
	case "t":
		return d.number(8)
	case "d":
		return math.Float64frombits(d.number(8))
	case "s":
		s, _ := d.text()
		return s
	case "o":
		s, _ := d.text()
		return dbus.ObjectPath(s)
	case "g":
		return d.signatureValue()
	case "v":
		return d.variant()
	}
	return d.container(signature)
}

func (d *decoder) signatureValue() any {
	text := d.signature()
	signature, ok := signatures()[text]
	if !ok {
		parsed, err := dbus.ParseSignature(text)
		if err != nil {
			d.fail()
		}
		signature = parsed
	}
	return signature
}

// container reads an array of one of the known types.
func (d *decoder) container(signature string) any {
	switch signature {
	case "ay":
		return d.bytes()
	case "as":
		return list(d, 4, func() string { s, _ := d.text(); return s })
	case "au":
		return list(d, 4, func() uint32 { return uint32(d.number(4)) })
	case "aay":
		return list(d, 4, d.bytes)
	case "a{ss}":
		all := make(map[string]string)
		for end := d.array(8); d.at < end; {
			d.align(8)
			key := d.name()
			all[key], _ = d.text()
		}
		return all
	case "a{sv}":
		return d.dictionary()
	case "aa{sv}":
		return list(d, 4, d.dictionary)
	}
	d.fail()
	return nil
}

func (d *decoder) bytes() []byte {
	end := d.array(1)
	return bytes.Clone(d.take(end - d.at))
}

func (d *decoder) dictionary() map[string]dbus.Variant {
	all := make(map[string]dbus.Variant)
	for end := d.array(8); d.at < end; {
		d.align(8)
		key := d.name()
		all[key] = d.variant()
	}
	return all
}

// list reads an array. element reads one of its elements.
func list[T any](d *decoder, align int, element func() T) []T {
	all := []T{}
	for end := d.array(align); d.at < end; {
		all = append(all, element())
	}
	return all
}
