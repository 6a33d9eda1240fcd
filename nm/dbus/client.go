package dbus

import (
	"context"
	"errors"
	"sync"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
)

// Options are those of [Connect].
type Options struct {
	// Address is the D-Bus address of the bus, such as "unix:path=/run/dbus/system_bus_socket".
	// Empty means the system bus, whose address DBUS_SYSTEM_BUS_ADDRESS can set.
	Address string
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
	c := &Client{options: options, turn: make(chan *link, 1), closed: make(chan struct{})}
	c.turn <- nil
	if _, err := c.link(ctx); err != nil {
		return nil, failed("connect to the system bus", err)
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
		fresh, err := dial(ctx, c.options.Address)
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
	addr string // of the bus, for more connections to it; empty for the system bus
	name string // the unique name that the bus gave this connection
	// the identity of the bus (org.freedesktop.DBus.GetId), which a restart of it changes
	bus string
	// added has the paths of the profiles that this connection has added, by their UUIDs.
	added sync.Map
}

// dial opens a connection. godbus' authentication takes no context, so the connection is closed
// under it when ctx ends.
func dial(ctx context.Context, address string) (*link, error) {
	conn, err := open(address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	l, err := greet(ctx, conn)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l.addr = address
	return l, nil
}

// open connects to address and says nothing to the bus yet. Signals are handed on in the order in
// which they came. godbus' default handler does not keep it: it starts a goroutine for each signal
// when the channel is full.
func open(address string) (*dbus.Conn, error) {
	inOrder := dbus.WithSignalHandler(dbus.NewSequentialSignalHandler())
	if address == "" {
		return dbus.SystemBusPrivate(inOrder)
	}
	return dbus.Dial(address, inOrder)
}

// greet authenticates, and asks the bus for its identity.
func greet(ctx context.Context, conn *dbus.Conn) (*link, error) {
	if err := conn.Auth(nil); err != nil {
		return nil, err
	}
	if err := conn.Hello(); err != nil {
		return nil, err
	}
	l := &link{conn: conn, name: conn.Names()[0]}
	err := conn.BusObject().CallWithContext(ctx, busGetID, 0).Store(&l.bus)
	return l, err
}

// Names of the bus itself, which gonetworkmanager lacks.
const (
	busName             = "org.freedesktop.DBus"
	busGetID            = busName + ".GetId"
	busNameHasOwner     = busName + ".NameHasOwner"
	busGetNameOwner     = busName + ".GetNameOwner"
	busAddMatch         = busName + ".AddMatch"
	busRemoveMatch      = busName + ".RemoveMatch"
	busNameOwnerChanged = busName + ".NameOwnerChanged"
	propertiesInterface = busName + ".Properties"
	propertiesGet       = propertiesInterface + ".Get"
	propertiesGetAll    = propertiesInterface + ".GetAll"
	propertiesChanged   = propertiesInterface + ".PropertiesChanged"
	interfacesRemoved   = busName + ".ObjectManager.InterfacesRemoved"
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
	call := l.conn.Object(service, path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
	if call.Err != nil {
		return l.answerOf(path, call.Err)
	}
	return call.Store(results...)
}

// answerOf returns err, or the error that NetworkManager is still starting. It takes its name on
// the bus before it exports its permanent objects, and until then they seem not to exist.
func (l *link) answerOf(path dbus.ObjectPath, err error) error {
	if errors.Is(err, dbus.ErrClosed) {
		// Close returns when the connection is closed for all, so that nobody gets this link again.
		_ = l.conn.Close()
	}
	_, last := splitMember(errorName(err))
	if (path == manager || path == settings) && (last == "UnknownObject" || last == "UnknownMethod" || last == "UnknownInterface") {
		return stillStarting()
	}
	return err
}

// properties is the result of org.freedesktop.DBus.Properties.GetAll.
type properties map[string]dbus.Variant

// getAll reads an object's properties of one interface.
func (l *link) getAll(ctx context.Context, path dbus.ObjectPath, iface string) (properties, error) {
	var all map[string]dbus.Variant
	err := l.call(ctx, path, propertiesGetAll, []any{iface}, &all)
	return all, err
}

// value returns a property, whose name includes its interface, or T's zero value where it is absent
// or of another type.
func value[T any](p properties, property string) T {
	_, name := splitMember(property)
	v, _ := p[name].Value().(T)
	return v
}

// lookup returns the present object path of the profile.
func (l *link) lookup(ctx context.Context, uuid string) (path dbus.ObjectPath, err error) {
	err = l.flight(ctx, []request{lookupRequest(uuid, &path)})
	return path, err
}

// lookupRequest asks for the object path of the profile. It fails with [fault.ErrNotFound] if there
// is none.
func lookupRequest(uuid string, path *dbus.ObjectPath) request {
	return request{path: settings, method: gnm.SettingsGetConnectionByUUID, args: []any{uuid}, done: func(body []any, err error) error {
		*path = result[dbus.ObjectPath](body)
		if isGone(err) || errorName(err) == nameInvalidConnection {
			return notFound(uuid)
		}
		return err
	}}
}

// settingsRequest asks for a profile's settings.
func settingsRequest(path dbus.ObjectPath, s *wire.Settings) request {
	return request{path: path, method: gnm.ConnectionGetSettings, done: func(body []any, err error) error {
		*s = result[map[string]map[string]dbus.Variant](body)
		return err
	}}
}
