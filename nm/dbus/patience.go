package dbus

import (
	"context"
	"errors"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/bulk"
	"nmgre/nm/dbus/socket"
	"nmgre/routes/fault"
)

// NetworkManager answers questions from its memory, one after the other. Without a bound a caller
// would wait for ever for one that hangs: the bus keeps the call until it is taken.
const (
	// defaultPatience is how long NetworkManager and the bus may be silent while a question waits.
	defaultPatience = 8 * time.Second
	// slowFactor is how many times longer a change may take.
	slowFactor = 5
)

// slowMethods are those that change a profile or a device. NetworkManager may talk to polkit, the
// kernel or a disk before it answers.
var slowMethods = map[string]bool{
	settingsAddConnection2: true, gnm.ConnectionUpdate2: true, gnm.ConnectionDelete: true, gnm.DeviceDelete: true, gnm.DeviceReapply: true,
	gnm.NetworkManagerActivateConnection: true, gnm.NetworkManagerDeactivateConnection: true,
}

// patienceFor returns how long an answer to the method may take.
func (l *link) patienceFor(method string) time.Duration {
	if slowMethods[method] {
		return slowFactor * l.patience
	}
	return l.patience
}

// silent returns the reason why ctx has ended, or err if it has not. That the patience has ended is
// an error of its own.
func silent(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := fault.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// open connects to the bus and says nothing to the bus yet. Signals are handed on in the order in
// which they came. godbus' default handler does not keep it: it starts a goroutine for each signal
// when the channel is full.
func (l *link) open(ctx context.Context) (*dbus.Conn, error) {
	inOrder := dbus.WithSignalHandler(dbus.NewSequentialSignalHandler())
	conn, err := bulk.Dial(ctx, l.addr)
	if errors.Is(err, bulk.ErrUnknown) { // such as a bus over TCP
		return dbus.Dial(l.addr, inOrder)
	}
	if err != nil {
		return nil, err
	}
	l.socket = socket.New(conn, func() time.Duration { return l.patience })
	return dbus.NewConn(l.socket, inOrder)
}
