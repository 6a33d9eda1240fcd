package dbus

import (
	"context"
	"errors"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/refusal"
)

// errVanished says that NetworkManager left the bus while it was waited for.
var errVanished = dbus.Error{Name: busName + ".Error.NameHasNoOwner", Body: []any{"NetworkManager left the bus"}}

// errLost says that the bus itself is gone.
var errLost = errors.New("the connection to the bus was lost")

// watch is a subscription to NetworkManager's signals. It must be closed.
//
// Any process may send a signal to any connection, whatever its match rules say, and may call it
// NetworkManager's. Only the bus sets the sender. So a signal counts if it comes from the unique
// name that owns NetworkManager's name at that moment, and news of owners if they are the bus' own.
type watch struct {
	link    *link
	signals chan *dbus.Signal
	rules   []string // the match rules that the bus was asked for
	// owner is the unique name of NetworkManager, such as ":1.5"; empty while it is away. It is
	// asked for after the match rules are set, and follows the bus' news from then on.
	owner string
}

// watchRules match the signals that a watch gets: all of NetworkManager's, and the one of its
// coming and going. They do not name objects: the path of a new object is known only when it is
// there, and a rule would come too late then.
var watchRules = [...]string{
	"type='signal',sender='" + service + "',path_namespace='/org/freedesktop'",
	"type='signal',sender='" + busName + "',interface='" + busName + "',member='NameOwnerChanged',arg0='" + service + "'",
}

// watch subscribes, and makes other calls in the same flight. The subscription gets every signal
// that is sent after it has returned.
func (l *link) watch(ctx context.Context, others ...request) (*watch, error) {
	return l.subscribe(ctx, watchRules[:], others...)
}

// subscribe is [link.watch] with other match rules.
func (l *link) subscribe(ctx context.Context, rules []string, others ...request) (*watch, error) {
	w := &watch{link: l, signals: make(chan *dbus.Signal, 16), rules: rules}
	l.conn.Signal(w.signals)
	var requests []request
	for _, rule := range rules {
		requests = append(requests, request{destination: busName, path: busPath, method: busAddMatch, args: []any{rule}, done: func(_ []any, err error) error { return err }})
	}
	requests = append(requests, ownerRequest(&w.owner))
	if err := l.flight(ctx, append(requests, others...)); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// ownerRequest asks the bus for the unique name of NetworkManager. It is empty where there is none.
func ownerRequest(owner *string) request {
	return request{destination: busName, path: busPath, method: busGetNameOwner, args: []any{service}, done: func(body []any, err error) error {
		*owner = message.Result[string](body)
		if refusal.Name(err) == errVanished.Name {
			return nil
		}
		return err
	}}
}

// genuine reports whether a signal comes from NetworkManager, or is the bus' news of its owner. It
// follows the owner.
func (w *watch) genuine(signal *dbus.Signal) bool {
	if signal.Name != busNameOwnerChanged {
		return w.owner != "" && signal.Sender == w.owner
	}
	if signal.Sender != busName || len(signal.Body) != 3 || signal.Body[0] != service {
		return false
	}
	w.owner, _ = signal.Body[2].(string)
	return true
}

// close ends the subscription. It does not wait for the bus, which does everything in order: so it
// also removes a rule to which the bus has not answered yet.
func (w *watch) close() {
	w.link.conn.RemoveSignal(w.signals)
	for _, rule := range w.rules {
		w.link.conn.BusObject().Go(busRemoveMatch, dbus.FlagNoReplyExpected, nil, rule)
	}
}

// next returns the next signal. It fails when ctx ends, when NetworkManager leaves the bus or
// another one takes its place, and when the bus is lost. With a patience above 0 it returns nil
// after that time.
func (w *watch) next(ctx context.Context, patience time.Duration) (*dbus.Signal, error) {
	var tired <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		tired = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tired:
			return nil, nil
		case signal, open := <-w.signals:
			switch {
			case !open:
				return nil, errLost
			case !w.genuine(signal):
				continue // somebody else's
			case signal.Name == busNameOwnerChanged:
				return nil, errVanished
			}
			return signal, nil
		}
	}
}

// The StateChanged signals, with their interfaces.
const (
	activeStateChanged = gnm.ActiveConnectionInterface + "." + gnm.ActiveConnectionSignalStateChanged
	deviceStateChanged = gnm.DeviceInterface + "." + gnm.DeviceSignalStateChanged
)
