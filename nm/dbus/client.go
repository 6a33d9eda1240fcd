package dbus

import (
	"cmp"
	"context"
	"errors"
	"net"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/again"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/seen"
	"nmgre/nm/dbus/socket"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Options are those of [Connect].
type Options struct {
	// Address is the D-Bus address of the bus, such as "unix:path=/run/dbus/system_bus_socket".
	// Empty means the system bus, whose address DBUS_SYSTEM_BUS_ADDRESS can set.
	Address string
	// Patience is how long NetworkManager and the bus may be silent while a question waits for its
	// answer. A change may take five times as long. Zero means 8 s.
	Patience time.Duration
}

// Client talks to the NetworkManager on one bus. Any number of goroutines may use it at the same
// time. Its errors are of the kinds in package fault, and texts in them are printable.
type Client struct {
	options Options
	// turn holds the one link, nil before the first and after [Client.Close]. It is a channel and
	// not a mutex, so that a goroutine that waits while another one dials can give up when its
	// context ends.
	turn   chan *link
	closed chan struct{}
}

var _ nm.Profiles = (*Client)(nil)

// Connect opens the connection to the bus. It fails with [fault.ErrNoNetworkManager] when there is
// no bus. It does not look whether NetworkManager is on the bus: [Client.Manager] does.
func Connect(ctx context.Context, options Options) (*Client, error) {
	options.Address, options.Patience = cmp.Or(options.Address, socket.SystemBus()), cmp.Or(options.Patience, defaultPatience)
	c := &Client{options: options, turn: make(chan *link, 1), closed: make(chan struct{})}
	c.turn <- nil
	if _, err := c.link(ctx); err != nil {
		return nil, failure.Of("connect to the system bus", err)
	}
	return c, nil
}

// Close ends the connection. Calls under way fail, and so do all calls after it, but for Close.
func (c *Client) Close() error {
	l := <-c.turn
	defer func() { c.turn <- nil }()
	select {
	case <-c.closed:
		return nil
	default:
		close(c.closed)
	}
	if l == nil {
		return nil
	}
	return l.conn.Close()
}

// link returns the connection. It dials if there is none, or if it was lost.
func (c *Client) link(ctx context.Context) (*link, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case l := <-c.turn:
		defer func() { c.turn <- l }()
		select {
		case <-c.closed:
			return nil, dbus.ErrClosed
		default:
		}
		if l != nil && l.conn.Connected() {
			return l, nil
		}
		fresh, err := dial(ctx, c.options)
		if err != nil {
			return nil, err
		}
		l = fresh
		return l, nil
	}
}

// link is one connection to a bus.
type link struct {
	conn *dbus.Conn
	addr string // of the bus, for more connections to it
	name string // the unique name that the bus gave this connection
	// patience is that of the client's [Options].
	patience time.Duration
	socket   *socket.Conn // nil for a bus without a Unix socket
	// the identity of the bus (org.freedesktop.DBus.GetId), which a restart of it changes
	bus  string
	seen seen.Objects
}

// dial opens a connection. godbus' authentication takes no context, so the connection is closed
// under it when ctx ends, or when the bus is silent.
func dial(ctx context.Context, options Options) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, options.Patience, failure.ErrBusSilent)
	defer cancel()
	l := &link{addr: options.Address, patience: options.Patience}
	conn, err := l.open(ctx)
	if err != nil {
		return nil, silent(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = l.greet(ctx, conn)
	if !stop() {
		err = fault.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		if errors.Is(err, failure.ErrSilent) { // nobody but the bus was asked
			err = failure.ErrBusSilent
		}
		return nil, silent(ctx, err)
	}
	return l, nil
}

// greet authenticates, and asks the bus for the connection's name and for its identity, all in one
// flight. godbus' own Hello would be a round trip before it.
func (l *link) greet(ctx context.Context, conn *dbus.Conn) error {
	var methods []dbus.Auth // nil for all that godbus knows
	if l.socket != nil {
		methods = socket.Methods
	}
	if err := conn.Auth(methods); err != nil {
		return err
	}
	l.conn = conn
	return l.flight(ctx, []request{
		{destination: busName, path: busPath, method: busHello, done: func(body []any, err error) error {
			l.name = message.Result[string](body)
			return err
		}},
		{destination: busName, path: busPath, method: busGetID, done: func(body []any, err error) error {
			l.bus = message.Result[string](body)
			return err
		}},
	})
}

// Names of the bus itself, which gonetworkmanager lacks.
const (
	busName             = "org.freedesktop.DBus"
	busHello            = busName + ".Hello"
	busGetID            = busName + ".GetId"
	busNameHasOwner     = busName + ".NameHasOwner"
	busGetUnixUser      = busName + ".GetConnectionUnixUser"
	busGetNameOwner     = busName + ".GetNameOwner"
	busAddMatch         = busName + ".AddMatch"
	busRemoveMatch      = busName + ".RemoveMatch"
	busNameOwnerChanged = busName + ".NameOwnerChanged"
	propertiesInterface = busName + ".Properties"
	propertiesGet       = propertiesInterface + ".Get"
	propertiesGetAll    = propertiesInterface + ".GetAll"
)

// Objects of NetworkManager and of the bus.
const (
	// NetworkManager's name on the bus is that of its interface
	service  = gnm.NetworkManagerInterface
	manager  = dbus.ObjectPath(gnm.NetworkManagerObjectPath)
	settings = dbus.ObjectPath(gnm.SettingsObjectPath)
	busPath  = dbus.ObjectPath("/org/freedesktop/DBus")
	noObject = dbus.ObjectPath("/") // means no object in NetworkManager's interface
)

// call calls a method of NetworkManager and stores its results. It never starts NetworkManager:
// that is up to the administrator.
func (l *link) call(ctx context.Context, path dbus.ObjectPath, method string, args []any, results ...any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.patienceFor(method), failure.ErrSilent)
	defer cancel()
	object := l.conn.Object(service, path)
	call := again.Call(ctx, func() *dbus.Call { return object.CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...) })
	if call.Err != nil {
		return l.answerOf(path, silent(ctx, call.Err))
	}
	return call.Store(results...)
}

// answerOf returns err, or the error that NetworkManager is still starting. It takes its name on
// the bus before it exports its permanent objects, and until then they seem not to exist.
func (l *link) answerOf(path dbus.ObjectPath, err error) error {
	var broken *net.OpError
	if errors.Is(err, dbus.ErrClosed) || errors.As(err, &broken) {
		// Close returns when the connection is closed for all, so that nobody gets this link again.
		_ = l.conn.Close()
		if l.socket != nil && l.socket.Stuck() {
			return failure.ErrBusSilent
		}
	}
	_, last := message.Split(refusal.Name(err))
	if (path == manager || path == settings) && (last == "UnknownObject" || last == "UnknownMethod" || last == "UnknownInterface") {
		return failure.StillStarting()
	}
	return err
}

// getAll reads an object's properties of one interface.
func (l *link) getAll(ctx context.Context, path dbus.ObjectPath, iface string) (message.Properties, error) {
	var all map[string]dbus.Variant
	err := l.call(ctx, path, propertiesGetAll, []any{iface}, &all)
	return all, err
}

// lookup returns the present object path of the profile.
func (l *link) lookup(ctx context.Context, uuid string) (path dbus.ObjectPath, err error) {
	err = l.flight(ctx, []request{l.lookupRequest(uuid, &path)})
	return path, err
}

// lookupRequest asks for the object path of the profile. It fails with [fault.ErrNotFound] if there
// is none.
func (l *link) lookupRequest(uuid string, path *dbus.ObjectPath) request {
	return request{path: settings, method: gnm.SettingsGetConnectionByUUID, args: []any{uuid}, done: func(body []any, err error) error {
		*path = message.Result[dbus.ObjectPath](body)
		if refusal.IsNoProfile(err) {
			return l.notFound(uuid)
		}
		return err
	}}
}

// settingsRequest asks for a profile's settings.
func settingsRequest(path dbus.ObjectPath, s *wire.Settings) request {
	return request{path: path, method: gnm.ConnectionGetSettings, done: func(body []any, err error) error {
		*s = message.Result[map[string]map[string]dbus.Variant](body)
		return err
	}}
}
