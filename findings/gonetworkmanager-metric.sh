#!/bin/bash
# gonetworkmanager cuts a route's metric to its lowest eight bits.
#
# Version    github.com/Wifx/gonetworkmanager/v2 v2.2.0, dbus-daemon of the machine
# Expected   IP4Config.GetPropertyRouteData returns the metric that NetworkManager says. It is a
#            number of 32 bits on the bus ("u" in an entry of RouteData).
# Seen       A route of metric 500 comes back with metric 244, one of 425 with 169: the field is a
#            uint8, and the rest is dropped without an error. NetworkManager's own default for an
#            IP tunnel is 675, so nearly each real metric is wrong.
# Meaning    Read RouteData with godbus where a metric counts.
set -euo pipefail

temp=$(mktemp -d)
trap 'kill "$bus" 2>/dev/null || true; rm -rf "$temp"' EXIT
cd "$temp"
dbus-daemon --session --nofork --nopidfile --address="unix:path=$temp/bus" 2>/dev/null &
bus=$!
for _ in {1..100}; do [[ ! -S bus ]] || break; sleep 0.1; done
# The program has NetworkManager's name on a bus of its own, and answers with two routes.
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	nm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

const path = "/org/freedesktop/NetworkManager/IP4Config/1"

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	conn, err := dbus.Connect(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"))
	check(err)
	route := func(dest string, metric uint32) map[string]dbus.Variant {
		return map[string]dbus.Variant{"dest": dbus.MakeVariant(dest),
			"prefix": dbus.MakeVariant(uint32(24)), "metric": dbus.MakeVariant(metric)}
	}
	data := []map[string]dbus.Variant{route("192.0.2.0", 500), route("198.51.100.0", 425)}
	_, err = prop.Export(conn, path, prop.Map{nm.IP4ConfigInterface: {"RouteData": {Value: data}}})
	check(err)
	_, err = conn.RequestName(nm.NetworkManagerInterface, 0)
	check(err)

	config, err := nm.NewIP4Config(path)
	check(err)
	routes, err := config.GetPropertyRouteData()
	check(err)
	for i, r := range routes {
		fmt.Println(r.Destination, "sent", data[i]["metric"].Value(), "read", r.Metric)
	}
}
END
go mod init finding 2>/dev/null
go get github.com/Wifx/gonetworkmanager/v2@v2.2.0 github.com/godbus/dbus/v5@v5.2.4 2>/dev/null
seen=$(DBUS_SYSTEM_BUS_ADDRESS="unix:path=$temp/bus" go run .)
expected='192.0.2.0 sent 500 read 244
198.51.100.0 sent 425 read 169'
diff <(echo "$expected") <(echo "$seen") && echo "as described: gonetworkmanager v2.2.0"
