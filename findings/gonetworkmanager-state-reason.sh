#!/bin/bash
# gonetworkmanager gives a device's old state where its API promises the reason of the change.
#
# Version    github.com/Wifx/gonetworkmanager/v2 v2.2.0, dbus-daemon of the machine
# Expected   NetworkManager's signal StateChanged of a device has three numbers: the new state, the
#            old state, the reason. DeviceStateChange.Reason is the third.
# Seen       Reason is the second. A device that goes from activated (100) to deactivating (110) for
#            the reason 39 ("user-requested") is told as reason 100.
# Meaning    The reason, which explains to a person why a tunnel went down, is lost.
set -euo pipefail

temp=$(mktemp -d)
trap 'kill "$bus" 2>/dev/null || true; rm -rf "$temp"' EXIT
cd "$temp"
dbus-daemon --session --nofork --nopidfile --address="unix:path=$temp/bus" 2>/dev/null &
bus=$!
for _ in {1..100}; do [[ ! -S bus ]] || break; sleep 0.1; done
# The program has NetworkManager's name on a bus of its own, and sends one signal.
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"
	"time"

	nm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"
)

const path = "/org/freedesktop/NetworkManager/Devices/1"

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	conn, err := dbus.Connect(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"))
	check(err)
	_, err = conn.RequestName(nm.NetworkManagerInterface, 0)
	check(err)
	device, err := nm.NewDevice(path)
	check(err)
	changes := make(chan nm.DeviceStateChange, 1)
	check(device.SubscribeState(changes, make(chan struct{})))
	check(conn.Emit(path, nm.DeviceInterface+".StateChanged", uint32(110), uint32(100), uint32(39)))
	select {
	case c := <-changes:
		fmt.Println("new state", uint32(c.State), "reason", uint32(c.Reason))
	case <-time.After(10 * time.Second):
		fmt.Println("no change was told")
	}
}
END
go mod init finding 2>/dev/null
go get github.com/Wifx/gonetworkmanager/v2@v2.2.0 github.com/godbus/dbus/v5@v5.2.4 2>/dev/null
seen=$(DBUS_SYSTEM_BUS_ADDRESS="unix:path=$temp/bus" go run .)
expected='new state 110 reason 100'
diff <(echo "$expected") <(echo "$seen") && echo "as described: gonetworkmanager v2.2.0"
