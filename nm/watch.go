package nm

import (
	"context"
	"errors"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"
)

// cleanupTime bounds what is done after a method's own context has ended.
const cleanupTime = 2 * time.Second

// errVanished says that NetworkManager left the bus while something was expected of it.
var errVanished = dbus.Error{Name: busName + ".Error.NameHasNoOwner", Body: []any{"NetworkManager left the bus"}}

// errLost says that the bus itself is gone.
var errLost = errors.New("the connection to the bus was lost")

// watch is a subscription to what NetworkManager tells of itself. It must be closed.
type watch struct {
	link    *link
	signals chan *dbus.Signal
	rules   int // how many of watchRules the bus has
}

// watchRules are the signals that a watch gets: all of NetworkManager's, and its coming and going. The paths of what is to be watched are not
// known before it is there, and asking for them then would be too late.
var watchRules = [...][]dbus.MatchOption{
	{dbus.WithMatchSender(service), dbus.WithMatchPathNamespace("/org/freedesktop")},
	{dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
}

// watch subscribes. Whatever happens after it has returned will be seen.
func (l *link) watch(ctx context.Context) (*watch, error) {
	w := &watch{link: l, signals: make(chan *dbus.Signal, 16)}
	l.conn.Signal(w.signals)
	for _, rule := range watchRules {
		if err := l.conn.AddMatchSignalContext(ctx, rule...); err != nil {
			w.close()
			return nil, err
		}
		w.rules++
	}
	return w, nil
}

// close ends the subscription.
func (w *watch) close() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	for _, rule := range watchRules[:w.rules] {
		_ = w.link.conn.RemoveMatchSignalContext(ctx, rule...) // fails only if the bus is gone, and its rules with it
	}
	w.link.conn.RemoveSignal(w.signals)
}

// next returns the next signal. It fails when ctx ends, when NetworkManager leaves the bus or another takes its place, and when the bus is lost.
// With a patience above 0 it returns nil after that time.
func (w *watch) next(ctx context.Context, patience time.Duration) (*dbus.Signal, error) {
	var tired <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		tired = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-tired:
		return nil, nil
	case signal, open := <-w.signals:
		switch {
		case !open:
			return nil, errLost
		case signal.Name == busNameOwnerChanged && len(signal.Body) == 3 && signal.Body[0] == service:
			return nil, errVanished
		}
		return signal, nil
	}
}

// removes says whether the signal tells that the object at path is no more.
func removes(signal *dbus.Signal, path dbus.ObjectPath) bool {
	return signal.Name == interfacesRemoved && len(signal.Body) > 0 && signal.Body[0] == path
}

// changes returns the properties of iface that the signal says have changed on its object; nil if it tells of something else.
func changes(signal *dbus.Signal, iface string) properties {
	if signal.Name != propertiesChanged || len(signal.Body) < 2 || signal.Body[0] != iface {
		return nil
	}
	changed, _ := signal.Body[1].(map[string]dbus.Variant)
	return changed
}

// numbers returns the signal's arguments where they are all numbers, as those of the StateChanged signals are.
func numbers(signal *dbus.Signal) []uint32 {
	var all []uint32
	for _, argument := range signal.Body {
		n, ok := argument.(uint32)
		if !ok {
			return nil
		}
		all = append(all, n)
	}
	return all
}

const (
	activeStateChanged = gnm.ActiveConnectionInterface + "." + gnm.ActiveConnectionSignalStateChanged
	deviceStateChanged = gnm.DeviceInterface + "." + gnm.DeviceSignalStateChanged
)
