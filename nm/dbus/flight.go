package dbus

import (
	"context"
	"strings"

	"github.com/godbus/dbus/v5"
)

// window is how many calls are under way at once: enough to keep NetworkManager, which answers one
// after the other, busy while answers are read, and few enough to keep the memory of a thousand
// profiles' settings from being needed at a time.
const window = 64

// request is a call of a flight. Its done gets what came back; an error from it ends the flight.
type request struct {
	destination string // empty for NetworkManager
	path        dbus.ObjectPath
	method      string
	args        []any
	done        func(body []any, err error) error
}

// flight makes all the calls, a window of them at a time, and returns when the last was answered or
// the first failed.
func (l *link) flight(ctx context.Context, requests []request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what is still under way when one failed is abandoned
	answers := make(chan *dbus.Call, min(window, max(len(requests), 1)))
	pending := make(map[*dbus.Call]request, cap(answers))
	for next := 0; next < len(requests) || len(pending) > 0; {
		for ; next < len(requests) && len(pending) < cap(answers); next++ {
			pending[l.send(ctx, requests[next], answers)] = requests[next]
		}
		call := <-answers
		r := pending[call]
		delete(pending, call)
		if err := r.done(call.Body, l.answerOf(r.path, call.Err)); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) send(ctx context.Context, r request, answers chan *dbus.Call) *dbus.Call {
	destination := r.destination
	if destination == "" {
		destination = service
	}
	return l.conn.Object(destination, r.path).GoWithContext(ctx, r.method, dbus.FlagNoAutoStart, answers, r.args...)
}

// result returns an answer's first value, or T's zero value where it is of another type.
func result[T any](body []any) T {
	var zero T
	if len(body) == 0 {
		return zero
	}
	v, _ := body[0].(T)
	return v
}

// variant is like result for an answer that is a property's value.
func variant[T any](body []any) T {
	v, _ := result[dbus.Variant](body).Value().(T)
	return v
}

// splitMember splits "interface.Member".
func splitMember(name string) (iface, member string) {
	dot := strings.LastIndexByte(name, '.')
	return name[:max(dot, 0)], name[dot+1:]
}
