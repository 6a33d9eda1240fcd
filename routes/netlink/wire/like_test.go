package wire

import (
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/testdata/want"
)

// Messages that differ in the destination alone are recognised, and no others.
func TestLike(t *testing.T) {
	base := Route{Family: unix.AF_INET, Dst: want.CIDR("10.1.0.0/16"), Table: 254, Protocol: 213, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST, Device: 7, Priority: 50}
	with := func(change func(*Route)) []byte { w := base; change(&w); return w.Encode() }
	for name, c := range map[string]struct {
		body []byte
		dst  string
	}{
		"itself":       {base.Encode(), "10.1.0.0/16"},
		"other":        {with(func(w *Route) { w.Dst = want.CIDR("10.2.0.0/16") }), "10.2.0.0/16"},
		"longer":       {with(func(w *Route) { w.Dst = want.CIDR("10.1.2.3/32") }), "10.1.2.3/32"},
		"default":      {with(func(w *Route) { w.Dst = want.CIDR("0.0.0.0/0") }), "0.0.0.0/0"},
		"no address":   {append([]byte{unix.AF_INET}, base.Encode()[1:12]...), ""},
		"not masked":   {func() []byte { b := base.Encode(); b[1] = 8; return b }(), ""},
		"33 bits":      {func() []byte { b := base.Encode(); b[1] = 33; return b }(), ""},
		"metric":       {with(func(w *Route) { w.Priority = 51 }), ""},
		"device":       {with(func(w *Route) { w.Device = 8 }), ""},
		"table":        {with(func(w *Route) { w.Table = 253 }), ""},
		"protocol":     {with(func(w *Route) { w.Protocol = 4 }), ""},
		"scope":        {with(func(w *Route) { w.Scope = 0 }), ""},
		"type":         {with(func(w *Route) { w.Type = unix.RTN_BLACKHOLE }), ""},
		"tos":          {with(func(w *Route) { w.TOS = 8 }), ""},
		"flags":        {with(func(w *Route) { w.Flags = unix.RTM_F_CLONED }), ""},
		"more":         {with(func(w *Route) { w.flow = 1 }), ""},
		"IPv6":         {with(func(w *Route) { w.Family, w.Dst = unix.AF_INET6, want.CIDR("fd00::/16") }), ""},
		"family alone": {func() []byte { b := base.Encode(); b[0] = unix.AF_INET6; return b }(), ""},
	} {
		var l Like
		if _, ok := l.Dst(c.body); ok {
			t.Errorf("%s: the zero Like recognises it", name)
		}
		l.Set(base.Encode())
		dst, ok := l.Dst(c.body)
		if ok != (c.dst != "") || ok && dst.String() != c.dst {
			t.Errorf("%s: %v, %v", name, dst, ok)
		}
	}
	var twice Like
	if twice.Set(AppendAttribute(base.Encode(), unix.RTA_DST, []byte{10, 3, 0, 0})); twice.size != 0 {
		t.Error("a message with two destinations is a model")
	}
}

// FuzzLike checks that a message which is recognised is read as the same route, to the destination
// that is told.
func FuzzLike(f *testing.F) {
	for _, w := range wireRoutes {
		f.Add(w.Encode(), w.Encode(), uint8(16), byte(1))
	}
	for _, message := range want.Fixtures(f, "testdata/routes.txt") {
		f.Add(message, message, uint8(17), byte(255))
	}
	f.Fuzz(func(t *testing.T, model, body []byte, at uint8, x byte) {
		w, err := ParseRoute(model)
		if err != nil {
			return
		}
		var l Like
		l.Set(model)
		changed := append([]byte(nil), model...)
		changed[int(at)%len(changed)] ^= x
		for _, message := range [][]byte{body, changed} {
			dst, ok := l.Dst(message)
			if !ok {
				continue
			}
			w.Dst = dst
			if read, err := ParseRoute(message); err != nil || !reflect.DeepEqual(read, w) {
				t.Errorf("%v, read %+v\nwant %+v", err, read, w)
			}
		}
	})
}
