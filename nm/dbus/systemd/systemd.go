// Package systemd tells the host's systemd of units that nmgre has installed or removed, over
// D-Bus.
package systemd

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/routes/fault"
)

const (
	service = "org.freedesktop.systemd1"
	path    = dbus.ObjectPath("/org/freedesktop/systemd1")
	manager = service + ".Manager"
	// timeout bounds all calls together. To read all units of a large host again takes seconds.
	timeout = 30 * time.Second
)

// Reload has systemd read its units again, as `systemctl daemon-reload` does, and then starts the
// unit with that name, unless the name is empty. It does not wait until the unit has started. The
// address is that of the bus; empty means the system bus.
func Reload(ctx context.Context, address, unit string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := reload(ctx, address, unit)
	if err == nil {
		return nil
	}
	return &fault.Error{What: "have systemd read its units again", Err: fault.Ended(ctx, &fault.Error{What: fault.Printable(err.Error())})}
}

func reload(ctx context.Context, address, unit string) error {
	conn, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // everything was answered
	object := conn.Object(service, path)
	if err := object.CallWithContext(ctx, manager+".Reload", 0).Err; err != nil || unit == "" {
		return err
	}
	return object.CallWithContext(ctx, manager+".StartUnit", 0, unit, "replace").Err
}

// connect opens a connection that ends with ctx.
func connect(ctx context.Context, address string) (*dbus.Conn, error) {
	if address == "" {
		return dbus.ConnectSystemBus(dbus.WithContext(ctx))
	}
	return dbus.Connect(address, dbus.WithContext(ctx))
}
