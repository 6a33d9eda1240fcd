#!/bin/bash
# godbus does not send a call's flag "allow interactive authorization" where it is asked for.
#
# Version    github.com/godbus/dbus/v5 v5.2.4, dbus-daemon of the machine
# Expected   Object.Call takes flags, and FlagAllowInteractiveAuthorization is one of the three
#            that the library names. The D-Bus specification has it as 0x4 of a message's header.
# Seen       Object.Call sends 0x0 for it, while it sends 0x2 for FlagNoAutoStart as asked. The flag
#            goes out if an interceptor sets it in the message.
# Meaning    A service that asks polkit only where a caller allows it must be called by an
#            interceptor or by Conn.Send.
set -euo pipefail

temp=$(mktemp -d)
trap 'kill "$bus" 2>/dev/null || true; rm -rf "$temp"' EXIT
cd "$temp"
dbus-daemon --session --nofork --nopidfile --address="unix:path=$temp/bus" 2>/dev/null &
bus=$!
for _ in {1..100}; do [[ ! -S bus ]] || break; sleep 0.1; done
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	"github.com/godbus/dbus/v5"
)

func main() {
	var add dbus.Flags
	conn, err := dbus.Connect(os.Args[1], dbus.WithOutgoingInterceptor(func(m *dbus.Message) {
		m.Flags |= add
		if m.Headers[dbus.FieldMember].Value() == "GetId" {
			fmt.Printf("sent with %#x\n", byte(m.Flags))
		}
	}))
	if err != nil {
		panic(err)
	}
	call := func(flags dbus.Flags) {
		if err := conn.BusObject().Call("org.freedesktop.DBus.GetId", flags).Err; err != nil {
			panic(err)
		}
	}
	call(dbus.FlagNoAutoStart)
	call(dbus.FlagAllowInteractiveAuthorization)
	add = dbus.FlagAllowInteractiveAuthorization
	call(0)
}
END
go mod init finding 2>/dev/null
go get github.com/godbus/dbus/v5@v5.2.4 2>/dev/null
seen=$(go run . "unix:path=$temp/bus")
expected='sent with 0x2
sent with 0x0
sent with 0x4'
diff <(echo "$expected") <(echo "$seen") && echo "as described: godbus v5.2.4"
