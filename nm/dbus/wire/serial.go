package wire

import (
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Serial returns the number at the end of a profile's object path. NetworkManager gives them in
// ascending order.
func Serial(path dbus.ObjectPath) uint64 {
	n, _ := strconv.ParseUint(string(path[strings.LastIndexByte(string(path), '/')+1:]), 10, 64)
	return n
}
