package dbus

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/again"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
)

// window is the greatest number of calls under way at once: enough to keep NetworkManager busy,
// which answers one after the other, and few enough for the settings of a thousand profiles.
const window = 64

// request is a call of a flight. done gets its answer, and an error from done ends the flight.
type request struct {
	destination string // empty for NetworkManager
	path        dbus.ObjectPath
	method      string
	args        []any
	slow        bool // it waits for work that NetworkManager has to do
	done        func(body []any, err error) error
}

// flight makes all the calls, a window of them at a time. It returns when the last was answered or
// the first failed, or when none was answered for too long.
func (l *link) flight(ctx context.Context, requests []request) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // abandons the calls that are under way when one has failed
	patience := l.patienceOf(requests)
	silence := time.AfterFunc(patience, func() { cancel(failure.ErrSilent) })
	defer silence.Stop()
	answers := make(chan *dbus.Call, min(window, max(len(requests), 1)))
	pending := make(map[*dbus.Call]request, cap(answers))
	for next := 0; next < len(requests) || len(pending) > 0; {
		l.together(func() {
			for ; next < len(requests) && len(pending) < cap(answers); next++ {
				pending[l.send(ctx, requests[next], answers)] = requests[next]
			}
		})
		call := <-answers
		r := pending[call]
		delete(pending, call)
		if again.Wanted(ctx, call.Err) {
			pending[l.send(ctx, r, answers)] = r
			continue
		}
		silence.Reset(patience)
		if err := r.done(call.Body, l.answerOf(r.path, silent(ctx, call.Err))); err != nil {
			return err
		}
	}
	return nil
}

// together sends the messages that do gives to the bus all at once.
func (l *link) together(do func()) {
	if l.socket != nil {
		l.socket.Hold()
		defer l.socket.Release()
	}
	do()
}

// patienceOf returns how long the slowest of the requests may take.
func (l *link) patienceOf(requests []request) time.Duration {
	longest := l.patience
	for _, r := range requests {
		longest = max(longest, l.patienceFor(r.method))
		if r.slow {
			longest = slowFactor * l.patience
		}
	}
	return longest
}

func (l *link) send(ctx context.Context, r request, answers chan *dbus.Call) *dbus.Call {
	destination := r.destination
	if destination == "" {
		destination = service
	}
	return l.conn.Object(destination, r.path).GoWithContext(ctx, r.method, dbus.FlagNoAutoStart, answers, r.args...)
}

// propertyRequest asks for a property, whose name includes its interface.
func propertyRequest(path dbus.ObjectPath, name string, done func(body []any, err error) error) request {
	iface, member := message.Split(name)
	return request{path: path, method: propertiesGet, args: []any{iface, member}, done: done}
}

// readProperty asks for a property and stores its value, or T's zero value if it is not of type T.
func readProperty[T any](path dbus.ObjectPath, name string, into *T) request {
	return propertyRequest(path, name, func(body []any, err error) error {
		*into = message.Variant[T](body)
		return err
	})
}
