// Package message reads the parts of D-Bus messages, whose types a sender may have got wrong: the
// answers to calls, properties and the arguments of signals.
package message

import (
	"strings"

	"github.com/godbus/dbus/v5"
)

// Signals of the interfaces that every object may have.
const (
	PropertiesChanged = "org.freedesktop.DBus.Properties.PropertiesChanged"
	InterfacesRemoved = "org.freedesktop.DBus.ObjectManager.InterfacesRemoved"
)

// Properties are the result of org.freedesktop.DBus.Properties.GetAll.
type Properties map[string]dbus.Variant

// Value returns a property, whose name includes its interface, or T's zero value where it is absent
// or of another type.
func Value[T any](p Properties, property string) T {
	_, name := Split(property)
	v, _ := p[name].Value().(T)
	return v
}

// Result returns the first value of an answer, or T's zero value where it is of another type.
func Result[T any](body []any) T {
	var zero T
	if len(body) == 0 {
		return zero
	}
	v, _ := body[0].(T)
	return v
}

// Variant is [Result] for an answer that is the value of a property.
func Variant[T any](body []any) T {
	v, _ := Result[dbus.Variant](body).Value().(T)
	return v
}

// Numbers returns the signal's arguments if all of them are numbers, as in the StateChanged
// signals, or nil.
func Numbers(signal *dbus.Signal) []uint32 {
	var all []uint32
	for _, argument := range signal.Body {
		n, ok := argument.(uint32)
		if !ok {
			return nil
		}
		all = append(all, n)
	}
	return all
}

// Split splits "interface.Member".
func Split(name string) (iface, member string) {
	dot := strings.LastIndexByte(name, '.')
	return name[:max(dot, 0)], name[dot+1:]
}

// Removes reports whether the signal tells that the object at path is gone.
func Removes(signal *dbus.Signal, path dbus.ObjectPath) bool {
	return signal.Name == InterfacesRemoved && len(signal.Body) > 0 && signal.Body[0] == path
}

// Changes returns the properties of iface that have changed on the signal's object, or nil if the
// signal tells of something else.
func Changes(signal *dbus.Signal, iface string) Properties {
	if signal.Name != PropertiesChanged || len(signal.Body) < 2 || signal.Body[0] != iface {
		return nil
	}
	changed, _ := signal.Body[1].(map[string]dbus.Variant)
	return changed
}
