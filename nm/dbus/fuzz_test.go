package dbus

import (
	"errors"
	"testing"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// bodyOf makes the values of a message of bytes: every type that D-Bus has, nested.
func bodyOf(in []byte) (body []any) {
	for len(in) > 0 && len(body) < 8 {
		var v any
		v, in = valueOf(in, 0)
		body = append(body, v)
	}
	return body
}

func valueOf(in []byte, depth int) (v any, rest []byte) {
	take := func(n int) []byte {
		n = min(n, len(in))
		head := in[:n]
		in = in[n:]
		return head
	}
	number := func() (n uint64) {
		for _, b := range take(1) {
			n = uint64(b)
		}
		return n
	}
	text := func() string { return string(take(int(number() % 32))) }
	nested := func() any {
		if depth > 4 {
			return nil
		}
		v, in = valueOf(in, depth+1)
		return v
	}
	switch number() % 16 {
	case 0:
		v = text()
	case 1:
		v = dbus.ObjectPath(text())
	case 2:
		v = uint32(number())
	case 3:
		v = -int32(number()) //nolint:gosec // a byte
	case 4:
		v = number() << 56
	case 5:
		v = number()%2 == 0
	case 6:
		v = dbus.MakeVariantWithSignature(nested(), dbus.Signature{})
	case 7:
		v = []any{nested(), nested()}
	case 8:
		v = map[string]dbus.Variant{text(): dbus.MakeVariantWithSignature(nested(), dbus.Signature{}), "State": dbus.MakeVariantWithSignature(nested(), dbus.Signature{}), "Devices": dbus.MakeVariantWithSignature(nested(), dbus.Signature{})}
	case 9:
		v = []dbus.ObjectPath{dbus.ObjectPath(text()), "/"}
	case 10:
		v = map[string]string{text(): text(), permissionModify: "yes"}
	case 11:
		v = map[string]map[string]dbus.Variant{wire.Connection: {text(): dbus.MakeVariantWithSignature(nested(), dbus.Signature{}), "uuid": dbus.MakeVariantWithSignature(nested(), dbus.Signature{}), "id": dbus.MakeVariant(text()), "type": dbus.MakeVariant(wire.IPTunnel)},
			wire.IPTunnel: {"mode": dbus.MakeVariant(uint32(3)), "remote": dbus.MakeVariantWithSignature(nested(), dbus.Signature{}), text(): dbus.MakeVariantWithSignature(nested(), dbus.Signature{})}}
	case 12:
		v = []string{text()}
	case 13:
		v = service
	case 14:
		v = gnm.DeviceInterface
	}
	return v, in
}

// FuzzSignals has a watch and an activation hear signals with any content, from NetworkManager.
func FuzzSignals(f *testing.F) {
	names := []string{
		busNameOwnerChanged, message.PropertiesChanged, message.InterfacesRemoved, deviceStateChanged, activeStateChanged, "x", "",
		gnm.SettingsInterface + "." + signalNewConnection, gnm.ConnectionInterface + "." + signalUpdated,
	}
	for i := range names {
		f.Add(byte(i), "/a", []byte{2, 1, 2, 2, 2, 3})
		f.Add(byte(i), "/a", []byte{14, 8, 1, 'x', 2, 7, 2, 1, 9, 1, 'y'})
		f.Add(byte(i), "/a", []byte{13, 0, 0, 0, 4, ':', '1', '.', '7'})
	}
	f.Fuzz(func(t *testing.T, name byte, path string, body []byte) {
		signal := &dbus.Signal{Sender: ":1.5", Path: dbus.ObjectPath(path), Name: names[int(name)%len(names)], Body: bodyOf(body)}
		if signal.Name == busNameOwnerChanged {
			signal.Sender = busName
		}
		w := &watch{owner: ":1.5"}
		follow := follower{watch: w, there: true, events: make(chan nm.ProfileEvent, 1)}
		follow.hear(signal)
		a := activation{watch: w, devices: make(map[dbus.ObjectPath]deviceState)}
		a.active.path = "/a"
		a.note(signal)
		_ = a.ready() || a.over()
		if err := a.explain(t.Context(), errFailed); err == nil || !fault.IsPrintable(err.Error()) {
			t.Errorf("%v", err)
		}
	})
}

// FuzzReplies has every question get any answer. The text that people see of it is safe.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{11, 2, 'i', 'd', 0, 1, 'a', 0, 9, '1', '2', '7', '.', '0', '.', '0', '.', '1', '0'}, "", "")
	f.Add([]byte{6, 7, 2, 5, 2, 9}, "", "")
	f.Add([]byte{6, 0, 6, '1', '.', '4', '2', '.', '4'}, "", "")
	f.Add([]byte{8, 1, 'x', 2, 1}, "org.freedesktop.NetworkManager.Settings.InvalidConnection", "ip-tunnel.mode: \x1b")
	f.Add([]byte{10, 1, 'a', 1, 'b'}, "org.freedesktop.DBus.Error.AccessDenied", "")
	f.Fuzz(func(t *testing.T, reply []byte, name, text string) {
		body := bodyOf(reply)
		var err error
		if name != "" {
			err = dbus.Error{Name: name, Body: []any{text}}
		}
		l := &link{name: ":1.7", bus: "x"}
		p := found{path: "/a", mark: "m"}
		var path dbus.ObjectPath
		var paths []dbus.ObjectPath
		var s wire.Settings
		var version, owner string
		var answers map[string]string
		var errs []error
		for _, r := range []request{
			(&link{}).lookupRequest("u", &path), settingsRequest("/a", &s), activesRequest(&paths), versionRequest(&version), permissionsRequest(&answers), ownerRequest(&owner),
			fileRequest(&p), deviceRequest(&p), testerRequest(&p, ":1.2"), activeRequest("/a", func(a active) { p.Tunnel.Mode = 1; p.setActivity(a) }),
		} {
			errs = append(errs, failure.Of("ask", r.done(body, err)))
		}
		q := readProfile("/a/12345678901234567890123", s)
		_, _ = l.tester(s.TrialMark())
		_, versionErr := parseVersion(version)
		for _, err := range append(errs, versionErr) {
			for _, words := range append(fault.Hints(err), errText(err)) {
				if !fault.IsPrintable(fault.Escaped(words)) || errors.As(err, new(*fault.Error)) && !fault.IsPrintable(words) && err != versionErr {
					t.Errorf("%q", words)
				}
			}
		}
		for _, words := range []string{p.Path, p.DeviceState, p.Reason, q.UUID, q.ID, q.Tunnel.Name, q.Tunnel.Parent} {
			if fault.Printable(words) != words && len(words) < 4096 {
				t.Errorf("%q is shown", words)
			}
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
