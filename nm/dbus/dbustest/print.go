package dbustest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Print returns the settings as text: a line for each property, sorted, with the D-Bus type of each
// value. For lists of dictionaries it has the types of the inner values too.
func Print(s map[string]map[string]dbus.Variant) string {
	var b strings.Builder
	for _, setting := range slices.Sorted(maps.Keys(s)) {
		for _, property := range slices.Sorted(maps.Keys(s[setting])) {
			v := s[setting][property]
			fmt.Fprintf(&b, "%s.%s %s %s\n", setting, property, v.Signature(), PrintValue(v))
		}
	}
	return b.String()
}

// PrintValue returns the value of a property as [Print] writes it.
func PrintValue(v dbus.Variant) string {
	switch x := v.Value().(type) {
	case []map[string]dbus.Variant:
		var entries []string
		for _, entry := range x {
			var fields []string
			for _, name := range slices.Sorted(maps.Keys(entry)) {
				fields = append(fields, fmt.Sprintf("%s %s %v", name, entry[name].Signature(), entry[name].Value()))
			}
			entries = append(entries, "{"+strings.Join(fields, ", ")+"}")
		}
		return "[" + strings.Join(entries, " ") + "]"
	case string:
		return fmt.Sprintf("%q", x)
	default:
		return fmt.Sprint(x)
	}
}
