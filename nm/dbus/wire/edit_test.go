package wire

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/dbustest"
	"nmgre/routes"
)

// rich returns a profile with everything, as it is sent.
func rich() Settings {
	s := Settings(dbustest.Rich())
	s.StripLegacy()
	return s
}

// A profile remembers itself, and forgets that without a trace.
func TestEdit(t *testing.T) {
	for _, e := range []Edit{{Mark: ":1.7@bus"}, {Mark: ":1.7@bus", Up: true}, {Mark: ":1.7@bus", Unsaved: true, Up: true}} {
		e.Before = rich()
		s := rich()
		s.Set(IPTunnel, "ttl", uint32(9))
		after := dbustest.Print(s)
		if err := s.StartEdit(e); err != nil {
			t.Fatal(err)
		}
		got, ok := s.Edit()
		if !ok || got.Mark != e.Mark || got.Up != e.Up || got.Unsaved != e.Unsaved || dbustest.Print(got.Before) != dbustest.Print(e.Before) {
			t.Errorf("%v: got %+v\nwant %+v", ok, got, e)
		}
		if s.TrialMark() != "" {
			t.Error("an edit is no trial of a new profile")
		}
		s.EndEdit()
		if dbustest.Print(s) != after {
			t.Errorf("after the end:\n%s\nwant\n%s", dbustest.Print(s), after)
		}
	}
}

// A profile with a long list of routes fits; one that does not is left as it is.
func TestEditLarge(t *testing.T) {
	long := func(n int) Settings {
		s := rich()
		all := make([]routes.Route, n)
		for i := range all {
			all[i] = routes.MustParse(fmt.Sprintf("10.%d.%d.0/24 metric %d", i>>8&255, i&255, 1+i*7919%99991))
		}
		if err := s.SetRoutes(all); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := rich()
	if err := s.StartEdit(Edit{Mark: "m", Before: long(10_000)}); err != nil {
		t.Fatal(err)
	}
	if e, ok := s.Edit(); !ok || len(e.Before.Entries(IPv4, "route-data")) < 10_000 {
		t.Error("it is not read back")
	}
	s = rich()
	if err := s.StartEdit(Edit{Mark: "m", Before: long(60_000), Up: true}); err == nil {
		if _, ok := s.Edit(); !ok {
			t.Error("it is noted, and not read back")
		}
	} else if dbustest.Print(s) != dbustest.Print(rich()) {
		t.Error("it does not fit, and something is noted")
	}
}

// Short and long texts are read back by the reader of gzip files. A short one needs no compressor.
func TestCompressed(t *testing.T) {
	for _, n := range []int{0, 1, 4<<10 - 1, 4 << 10, 100_000} {
		raw := bytes.Repeat([]byte{byte(n), 7, 8}, n/3+1)[:n]
		file, err := compressed(raw)
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%d bytes: %v, %d bytes", n, err, len(got))
		}
	}
	short := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := compressed([]byte("short")); err != nil {
				b.Fatal(err)
			}
		}
	})
	if short.AllocedBytesPerOp() > 1000 {
		t.Errorf("a short text takes %d bytes of memory", short.AllocedBytesPerOp())
	}
}

// A note that somebody made up, or that came with a copy of the profile, does not count.
func TestEditForged(t *testing.T) {
	note := func(change func(before Settings)) Settings {
		before := rich()
		change(before)
		s := rich()
		if err := s.StartEdit(Edit{Mark: ":1.7@bus", Before: before}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	forged := map[string]Settings{
		"another profile": note(func(s Settings) { s.Set(Connection, "uuid", "00000000-0000-0000-0000-000000000000") }),
		"another type":    note(func(s Settings) { s.Set(Connection, "type", "vpn") }),
		"for all users":   note(func(s Settings) { s.Set(Connection, "permissions", []string{"user:root:"}) }),
		"nothing before":  note(func(s Settings) { clear(s) }),
		"cut short":       note(func(Settings) {}),
		"no text":         note(func(Settings) {}),
		"no mark":         note(func(Settings) {}),
	}
	forged["cut short"].setUser(keyBefore+"-0", forged["cut short"].user(keyBefore + "-0")[:100])
	forged["no text"].setUser(keyBefore+"-0", "%%%")
	forged["no mark"].setUser(keyEdit, "")
	for name, s := range forged {
		if e, ok := s.Edit(); ok {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// FuzzEdit reads notes of all kinds.
func FuzzEdit(f *testing.F) {
	text, err := pack(rich())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{text, "", "H4sIAAAAAAAA/w==", strings.Repeat("A", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := Settings{Connection: {"uuid": dbus.MakeVariant("x")}}
		s.setUser(keyEdit, "m")
		s.setUser(keyBefore+"-0", text)
		if e, ok := s.Edit(); ok {
			if _, err := Decode(e.Before); err == nil && e.Before.Text(Connection, "uuid") != "x" {
				t.Error("it is another profile's")
			}
		}
	})
}
