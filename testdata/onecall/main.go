// Command onecall is the smallest client of D-Bus in Go: it asks NetworkManager for its version,
// and prints it. A benchmark compares the time of nmgre list with its own.
package main

import (
	"fmt"
	"os"

	"github.com/godbus/dbus/v5"
)

func main() {
	if err := ask(); err != nil {
		fmt.Fprintf(os.Stderr, "onecall: %v\n", err)
		os.Exit(1)
	}
}

func ask() error {
	bus, err := dbus.ConnectSystemBus()
	if err != nil {
		return err
	}
	defer func() { _ = bus.Close() }()
	version, err := bus.Object("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager").GetProperty("org.freedesktop.NetworkManager.Version")
	if err != nil {
		return err
	}
	fmt.Println(version.Value())
	return nil
}
