package bulk

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// window is the greatest number of calls under way at once. The bus allows a client 1,024.
const window = 128

// maxMessage is the D-Bus specification's limit for a message, in bytes.
const maxMessage = 1 << 27

// ErrUnknown says that this package cannot read an address, a message or a value.
var ErrUnknown = errors.New("not readable in bulk")

// Settings are a profile in NetworkManager's own form: setting, property, value. They lack the
// properties "addresses" and "routes", which address-data and route-data have replaced.
type Settings = map[string]map[string]dbus.Variant

// Answer is the answer for one path. Its Settings are good until the function that got it returns:
// their memory is used again. Err is a [dbus.Error] from NetworkManager or the bus, or
// [ErrUnknown].
type Answer struct {
	Settings Settings
	Err      error
}

// Read asks the profiles at paths for their settings. address is the D-Bus address of the bus, and
// service NetworkManager's name there. It calls each once for every path, with the index of the
// path, in the order in which the answers come. If the connection fails, or ctx ends, it returns
// that error and some paths have no answer. It fails with [os.ErrDeadlineExceeded] when no answer
// has come for as long as patience.
func Read(ctx context.Context, address, service string, patience time.Duration, paths []dbus.ObjectPath, each func(int, Answer)) error {
	conn, err := Dial(ctx, address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() { _ = conn.Close() }()
	r := &reading{conn: conn, in: bufio.NewReaderSize(conn, 1<<16), patience: patience, service: service, paths: paths, each: each}
	err = r.run()
	if !stop() {
		return ctx.Err()
	}
	return err
}

// Dial connects to the first Unix socket of a D-Bus address. It fails with [ErrUnknown] if there is
// none in the address.
func Dial(ctx context.Context, address string) (net.Conn, error) {
	for one := range strings.SplitSeq(address, ";") {
		kind, keys, _ := strings.Cut(one, ":")
		if kind != "unix" {
			continue
		}
		for pair := range strings.SplitSeq(keys, ",") {
			key, escaped, _ := strings.Cut(pair, "=")
			value, err := url.PathUnescape(escaped) // a D-Bus address escapes as a URL does
			if err != nil || key != "path" && key != "abstract" {
				continue
			}
			if key == "abstract" {
				value = "@" + value
			}
			return (&net.Dialer{}).DialContext(ctx, "unix", value)
		}
	}
	return nil, fmt.Errorf("the bus address %q: %w", address, ErrUnknown)
}

// reading is one call of [Read].
type reading struct {
	conn net.Conn
	in   *bufio.Reader
	// patience is the longest time from one answer to the next.
	patience time.Duration
	service  string
	paths    []dbus.ObjectPath
	each     func(int, Answer)
	message  []byte // memory for a message, used again for the next
	spare    spare
}

// firstSerial is the serial number of the call for the first path. Hello has number 1.
const firstSerial = 2

func (r *reading) run() error {
	if err := r.wait(); err != nil {
		return err
	}
	if err := r.greet(); err != nil {
		return err
	}
	sent, answered := 0, 0
	for answered < len(r.paths) {
		if sent-answered <= window/2 {
			n, err := r.send(sent, min(len(r.paths), answered+window))
			if err != nil {
				return err
			}
			sent = n
		}
		known, err := r.receive(sent)
		if err != nil {
			return err
		}
		if !known { // other messages, which anybody may send, do not prolong the wait
			continue
		}
		answered++
		if err := r.wait(); err != nil {
			return err
		}
	}
	return nil
}

// wait lets the next answer come in time.
func (r *reading) wait() error { return r.conn.SetDeadline(time.Now().Add(r.patience)) }

// greet speaks the handshake of the D-Bus specification. The bus takes the user from the socket. It
// needs no answer before the first calls, which follow at once.
func (r *reading) greet() error {
	first := []byte("\x00AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
	first = append(first, appendCall(nil, 1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")...)
	if _, err := r.conn.Write(first); err != nil {
		return err
	}
	for _, want := range [...]string{"DATA", "OK"} {
		line, err := r.in.ReadSlice('\n') // as long as the reader's memory at most
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(line), want) {
			return fmt.Errorf("the bus answered %q: %w", line, ErrUnknown)
		}
	}
	return nil
}

// send writes the calls for paths[from:to] at once, and returns to.
func (r *reading) send(from, to int) (int, error) {
	var calls []byte
	for i := from; i < to; i++ {
		calls = appendCall(calls, firstSerial+uint32(i), r.service, string(r.paths[i]), r.service+".Settings.Connection", "GetSettings")
	}
	_, err := r.conn.Write(calls)
	return to, err
}

// receive reads a message, and reports whether it was the answer to one of the calls sent.
func (r *reading) receive(sent int) (bool, error) {
	m, err := r.next()
	if err != nil {
		return false, err
	}
	i := int64(m.replyTo) - firstSerial
	if m.kind == byte(dbus.TypeError) && m.replyTo == 1 {
		return false, fmt.Errorf("the bus refused Hello: %w", ErrUnknown)
	}
	if i < 0 || i >= int64(sent) {
		return false, nil // a signal, or the answer to Hello
	}
	var a Answer
	switch {
	case m.kind == byte(dbus.TypeError):
		text, _ := (&decoder{data: m.body, big: m.big}).text()
		a.Err = dbus.Error{Name: m.errorName, Body: []any{text}}
	case m.signature != "a{sa{sv}}":
		a.Err = ErrUnknown
	default:
		a.Settings, a.Err = decodeSettings(m.body, m.big, &r.spare)
	}
	r.each(int(i), a)
	return true, nil
}

// message holds the parts of a message that matter here.
type message struct {
	kind      byte
	replyTo   uint32
	errorName string
	signature string
	big       bool   // the most significant byte comes first
	body      []byte // valid until the next message is read
}

// Numbers of header fields (D-Bus specification, "Header Fields").
const (
	fieldErrorName   = byte(dbus.FieldErrorName)
	fieldReplySerial = byte(dbus.FieldReplySerial)
	fieldSignature   = byte(dbus.FieldSignature)
)

// orders are the two orders of bytes, by the letter that begins a message.
var orders = map[byte]binary.ByteOrder{'l': binary.LittleEndian, 'B': binary.BigEndian}

// next reads a message.
func (r *reading) next() (message, error) {
	var fixed [16]byte
	if err := readFull(r.in, fixed[:]); err != nil {
		return message{}, err
	}
	order, known := orders[fixed[0]] // the sender's, which is that of its machine
	if !known {
		return message{}, fmt.Errorf("byte order %q: %w", fixed[0], ErrUnknown)
	}
	bodySize, fieldsSize := order.Uint32(fixed[4:]), order.Uint32(fixed[12:])
	if bodySize > maxMessage || fieldsSize > maxMessage {
		return message{}, fmt.Errorf("a message of %d bytes: %w", uint64(bodySize)+uint64(fieldsSize), ErrUnknown)
	}
	bodyStart := int(fieldsSize+7) &^ 7
	if err := r.read(bodyStart + int(bodySize)); err != nil {
		return message{}, err
	}
	m := message{kind: fixed[1], big: fixed[0] == 'B', body: r.message[bodyStart:]}
	return m, m.readFields(r.message[:fieldsSize])
}

// read reads a message. Memory is made as its bytes come, so a size alone costs nothing.
func (r *reading) read(size int) error {
	const step = 1 << 20
	r.message = r.message[:0]
	for len(r.message) < size {
		from, n := len(r.message), min(size-len(r.message), step)
		r.message = slices.Grow(r.message, n)[:from+n]
		if err := readFull(r.in, r.message[from:]); err != nil {
			return err
		}
	}
	return nil
}

func readFull(in *bufio.Reader, into []byte) error {
	for len(into) > 0 {
		n, err := in.Read(into)
		if err != nil {
			return err
		}
		into = into[n:]
	}
	return nil
}

// readFields reads the header fields, an array of (yv). It makes no strings of the others, which
// each message has: its sender and receiver.
func (m *message) readFields(fields []byte) error {
	d := &decoder{data: fields, big: m.big}
	for d.at < len(d.data) {
		d.align(8)
		code := d.byte()
		switch signature := d.signature(); {
		case signature == "s" && code == fieldErrorName:
			m.errorName, _ = d.text()
		case signature == "s" || signature == "o":
			d.skipText()
		case signature == "u" && code == fieldReplySerial:
			m.replyTo = uint32(d.number(4))
		case signature == "g" && code == fieldSignature:
			m.signature = d.signature()
		default:
			d.value(signature)
		}
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// appendCall appends a method call without arguments.
func appendCall(b []byte, serial uint32, destination, path, iface, member string) []byte {
	start := len(b)
	b = append(b, 'l', byte(dbus.TypeMethodCall), byte(dbus.FlagNoAutoStart), 1)
	b = binary.LittleEndian.AppendUint32(b, 0) // the length of the body
	b = binary.LittleEndian.AppendUint32(b, serial)
	b = binary.LittleEndian.AppendUint32(b, 0) // the length of the fields, filled in below
	for _, field := range [...]struct {
		code  dbus.HeaderField
		kind  byte
		value string
	}{{dbus.FieldPath, 'o', path}, {dbus.FieldDestination, 's', destination}, {dbus.FieldInterface, 's', iface}, {dbus.FieldMember, 's', member}} {
		b = pad(b, start)
		b = append(b, byte(field.code), 1, field.kind, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(field.value)))
		b = append(b, field.value...)
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b[start+12:], uint32(len(b)-start-16))
	return pad(b, start)
}

// pad appends zeros up to the next multiple of eight bytes from start.
func pad(b []byte, start int) []byte {
	for (len(b)-start)%8 != 0 {
		b = append(b, 0)
	}
	return b
}
