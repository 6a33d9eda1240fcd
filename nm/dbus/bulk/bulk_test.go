package bulk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/dbustest"
)

const service = "org.freedesktop.NetworkManager"

// every returns settings with a value of each type that can be read.
func every() Settings {
	v := dbus.MakeVariant
	type entry = map[string]dbus.Variant
	return Settings{
		"connection": {"id": v("Büro"), "timestamp": v(uint64(1) << 40), "permissions": v([]string{"user:ann", ""}), "autoconnect": v(false), "none": v([]string{})},
		"ip-tunnel":  {"mode": v(uint32(2)), "signed": v(int32(-1)), "byte": v(byte(200)), "n": v(int16(-2)), "q": v(uint16(65535)), "x": v(int64(-3)), "d": v(1.5)},
		"ipv4": {"dns": v([]uint32{1, 2}), "address-data": v([]entry{{"address": v("172.16.0.1"), "prefix": v(uint32(30))}, {}}),
			"route-data": v([]entry{{"dest": v("10.0.0.0"), "prefix": v(uint32(8)), "next-hop": v("172.16.0.2"), "metric": v(uint32(0)), "type": v("local"), "table": v(uint32(7)),
				"tos": v(byte(252)), "scope": v(byte(254)), "src": v("10.10.1.1"), "onlink": v(true), "mtu": v(uint32(1400)), "lock-mtu": v(true), "window": v(uint32(1)),
				"lock-window": v(false), "rto_min": v(uint32(300)), "quickack": v(false), "weight": v(uint32(256))}, {"from": v("fd00::/8")}}), "forwarding": v(int32(-1))},
		"ipv6": {"dns": v([][]byte{{1, 2, 3}, {}}), "token": v([]byte("abc")), "route-data": v([]entry{})},
		"odd":  {"path": v(dbus.ObjectPath("/a/b")), "signature": v(dbus.ParseSignatureMust("a{sv}")), "variant": v(v(uint32(7))), "dictionary": v(entry{"a": v("b")})},
		"none": {},
		"user": {"data": v(map[string]string{"a.b": "c", "d.e": ""})},
	}
}

// marshal returns s as the body of an answer.
func marshal(t testing.TB, s Settings) []byte {
	t.Helper()
	msg := &dbus.Message{Type: dbus.TypeMethodReply, Body: []any{s}, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(uint32(1)), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(s)),
	}}
	var out bytes.Buffer
	if err := msg.EncodeTo(&out, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint32(out.Bytes()[4:])
	return out.Bytes()[out.Len()-int(size):]
}

func TestDecode(t *testing.T) {
	got, err := decodeSettings(marshal(t, every()), false, &spare{})
	if err != nil || !reflect.DeepEqual(got, every()) {
		t.Errorf("got  %v, %v\nwant %v", got, err, every())
	}
}

// The sender's order of bytes does not matter, in a body and in the head of a message.
func TestByteOrders(t *testing.T) {
	for name, order := range map[string]binary.ByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		in := replyTo(t, firstSerial, order, "", every())
		in = append(in, replyTo(t, firstSerial+1, order, "org.x.Error", "no")...)
		got := make([]Answer, 2)
		r := &reading{in: bufio.NewReader(bytes.NewReader(in)), paths: make([]dbus.ObjectPath, 2), each: func(i int, a Answer) { got[i] = a }}
		for range got {
			if _, err := r.receive(2); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		var failed dbus.Error
		if got[0].Err != nil || !reflect.DeepEqual(got[0].Settings, every()) || !errors.As(got[1].Err, &failed) || failed.Name != "org.x.Error" || failed.Body[0] != "no" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Answers in both orders of bytes, as files with their bytes.
func TestGoldenBytes(t *testing.T) {
	settings := Settings{"ip-tunnel": {"key": dbus.MakeVariant([]map[string]dbus.Variant{{"n": dbus.MakeVariant(uint32(0x01020304))}, {"s": dbus.MakeVariant("a")}, {"x": dbus.MakeVariant(int64(-2))}})}}
	for name, order := range map[string]binary.ByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		golden, err := os.ReadFile("testdata/answer." + name + ".hex")
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(strings.Join(strings.Fields(string(golden)), ""))
		if err != nil {
			t.Fatal(err)
		}
		var got Answer
		r := &reading{in: bufio.NewReader(bytes.NewReader(want)), paths: make([]dbus.ObjectPath, 1), each: func(_ int, a Answer) { got = a }}
		if _, err := r.receive(1); err != nil || got.Err != nil || !reflect.DeepEqual(got.Settings, settings) {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
		if wire := body(order, replyTo(t, firstSerial, order, "", settings)); !bytes.Equal(wire, body(order, want)) {
			t.Errorf("%s: got\n%x\nwant\n%x", name, wire, body(order, want))
		}
	}
}

// body returns the body of a message, as its head may have its fields in any order.
func body(order binary.ByteOrder, message []byte) []byte {
	return message[len(message)-int(order.Uint32(message[4:])):]
}

func TestDecodeSkipsLegacy(t *testing.T) {
	s := every()
	s["ipv4"]["addresses"] = dbus.MakeVariant([][]uint32{{1, 2, 3}})
	s["ipv4"]["routes"] = dbus.MakeVariant([][]uint32{})
	type six struct {
		Address []byte
		Prefix  uint32
		Gateway []byte
	}
	s["ipv6"]["addresses"] = dbus.MakeVariant([]six{{[]byte{1}, 64, []byte{2, 3}}})
	s["ipv6"]["routes"] = dbus.MakeVariant([]six{})
	got, err := decodeSettings(marshal(t, s), false, &spare{})
	if err != nil || !reflect.DeepEqual(got, every()) {
		t.Errorf("got  %v, %v\nwant %v", got, err, every())
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, value := range []any{struct{ A, B uint32 }{1, 2}, []map[string]string{}, [][]uint32{}} {
		if _, err := decodeSettings(marshal(t, Settings{"a": {"b": dbus.MakeVariant(value)}}), false, &spare{}); !errors.Is(err, ErrUnknown) {
			t.Errorf("%T: got %v", value, err)
		}
	}
	whole := marshal(t, every())
	for n := 4; n < len(whole); n++ {
		if _, err := decodeSettings(whole[:n], false, &spare{}); !errors.Is(err, ErrUnknown) {
			t.Errorf("%d of %d bytes: got %v", n, len(whole), err)
		}
	}
}

// Settings have nothing of those that were read before with the same memory.
func TestDecodeWithTheSameMemory(t *testing.T) {
	var memory spare
	many := make(map[string]dbus.Variant)
	for i := range 2 * maxSpareValues {
		many[fmt.Sprint(i)] = dbus.MakeVariant("x")
	}
	all := []Settings{{"ipv4": many, "a": {"b": dbus.MakeVariant("c")}}, {"ipv4": {"method": dbus.MakeVariant("auto")}}, {}}
	for i := range 2 * maxSpare {
		all = append(all, Settings{fmt.Sprint("setting", i): {fmt.Sprint("property", i): dbus.MakeVariant(true)}})
	}
	for _, want := range append(all, all...) {
		if got, err := decodeSettings(marshal(t, want), false, &memory); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, %v\nwant %v", got, err, want)
		}
	}
	if len(memory.values) > maxSpare {
		t.Errorf("it keeps %d maps", len(memory.values))
	}
}

// FuzzDecode compares with godbus: settings that both can read are the same.
func FuzzDecode(f *testing.F) {
	f.Add(marshal(f, every()))
	var memory spare
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeSettings(body, false, &memory)
		if err != nil {
			return
		}
		want, ok := byGodbus(body)
		if !ok {
			return
		}
		for _, values := range want {
			delete(values, "addresses")
			delete(values, "routes")
		}
		// as text, since NaN does not equal itself
		if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	})
}

func byGodbus(body []byte) (Settings, bool) {
	msg := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(uint32(1)),
		dbus.FieldSignature: dbus.MakeVariant(dbus.ParseSignatureMust("a{sa{sv}}"))}, Body: []any{Settings{}}}
	var out bytes.Buffer
	if msg.EncodeTo(&out, binary.LittleEndian) != nil {
		return nil, false
	}
	raw := out.Bytes()[:out.Len()-8] // less the empty body, a length and its filling
	binary.LittleEndian.PutUint32(raw[4:], uint32(len(body)))
	back, err := dbus.DecodeMessage(bytes.NewReader(append(raw, body...)))
	if err != nil || len(back.Body) != 1 {
		return nil, false
	}
	s, ok := back.Body[0].(Settings)
	return s, ok
}

// fill starts a bus with n profiles, and returns their paths.
func fill(t *testing.T, n int) (*dbustest.Bus, []dbus.ObjectPath) {
	bus := dbustest.Start(t)
	var paths []dbus.ObjectPath
	for i := range n {
		s := every()
		s["connection"]["id"] = dbus.MakeVariant(fmt.Sprint(i))
		paths = append(paths, bus.AddProfile(s))
	}
	return bus, paths
}

func TestRead(t *testing.T) {
	bus, paths := fill(t, 3*window)
	paths = append(paths, "/nothing/here")
	got := make([]Answer, len(paths))
	times := make([]int, len(paths))
	err := Read(t.Context(), bus.Address(), service, time.Minute, paths, func(i int, a Answer) {
		got[i] = a
		times[i]++
		want := every()
		want["connection"]["id"] = dbus.MakeVariant(fmt.Sprint(i))
		if i < 3*window && !reflect.DeepEqual(a.Settings, want) {
			t.Errorf("profile %d: %+v", i, a)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range got[:3*window] {
		if times[i] != 1 || a.Err != nil {
			t.Fatalf("profile %d, answered %d times: %v", i, times[i], a.Err)
		}
	}
	var remote dbus.Error
	if err := got[3*window].Err; !errors.As(err, &remote) || remote.Name != "org.freedesktop.DBus.Error.UnknownMethod" {
		t.Errorf("an object that is not there: %v", err)
	}
}

func TestReadFails(t *testing.T) {
	for name, fault := range map[string]dbustest.Fault{"silent": {Silent: true}, "hangup": {Hangup: true}} {
		t.Run(name, func(t *testing.T) {
			bus, paths := fill(t, 3)
			bus.Break("GetSettings", fault)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := Read(ctx, bus.Address(), service, time.Minute, paths, func(int, Answer) { t.Error("there is an answer") })
			if timeout := errors.Is(err, context.DeadlineExceeded); err == nil || timeout != fault.Silent {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReadAddresses(t *testing.T) {
	bus, paths := fill(t, 1)
	for address, good := range map[string]bool{
		bus.Address() + ",guid=00": true, "tcp:host=localhost;" + bus.Address(): true, "tcp:host=localhost": false, "": false, "unix:path=/nothing%2fhere": false,
		"unix:path=%zz": false, "unix:abstract=nmgre%2fnothing": false,
	} {
		answers := 0
		err := Read(t.Context(), address, service, time.Minute, paths, func(int, Answer) { answers++ })
		if (err == nil) != good || (answers == 1) != good {
			t.Errorf("%q: %d answers, %v", address, answers, err)
		}
	}
}
