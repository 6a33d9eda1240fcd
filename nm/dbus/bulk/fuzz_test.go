package bulk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/godbus/dbus/v5"
)

// replyTo makes the answer to the call with a serial number.
func replyTo(t testing.TB, serial uint32, order binary.ByteOrder, failed string, body ...any) []byte {
	m := &dbus.Message{Type: dbus.TypeMethodReply, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(serial), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(body...)),
	}}
	if failed != "" {
		m.Type = dbus.TypeError
		m.Headers[dbus.FieldErrorName] = dbus.MakeVariant(failed)
	}
	var b bytes.Buffer
	if err := m.EncodeTo(&b, order); err != nil {
		t.Fatal(err)
	}
	wire := b.Bytes()
	order.PutUint32(wire[8:], 7) // a serial number of its own
	return wire
}

// FuzzMessages reads messages from any bytes. Each path has one answer at most.
func FuzzMessages(f *testing.F) {
	settings := map[string]map[string]dbus.Variant{"connection": {"id": dbus.MakeVariant("a"), "list": dbus.MakeVariant([]uint32{1, 2})}}
	good := replyTo(f, firstSerial, binary.LittleEndian, "", settings)
	f.Add(good)
	f.Add(append(good, replyTo(f, firstSerial+1, binary.LittleEndian, "org.x.Error", "no \x1b")...))
	f.Add(replyTo(f, firstSerial, binary.BigEndian, "", settings))
	f.Add(replyTo(f, firstSerial, binary.LittleEndian, "", uint32(7)))
	f.Add(append(good[:4:4], 255, 255, 255, 7, 0, 0, 0, 0, 255, 255, 255, 7))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := &reading{in: bufio.NewReader(bytes.NewReader(in)), paths: make([]dbus.ObjectPath, 2), each: func(i int, a Answer) {
			if i < 0 || i > 1 || a.Settings != nil && a.Err != nil {
				t.Errorf("path %d: %+v", i, a)
			}
		}}
		for {
			if _, err := r.receive(2); err != nil {
				break
			}
		}
		if cap(r.message) > len(in)+4<<20 {
			t.Errorf("%d bytes of memory for %d bytes", cap(r.message), len(in))
		}
	})
}
