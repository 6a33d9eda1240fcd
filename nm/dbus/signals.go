package dbus

import (
	"context"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
)

// signalRules are the signals that tell of profiles and of what NetworkManager does with them.
// Others come all the time on some hosts, such as those of wireless networks in reach, and would
// keep the process from resting.
var signalRules = []string{
	changedRule(gnm.NetworkManagerInterface),
	changedRule(gnm.DeviceInterface),
	changedRule(gnm.ActiveConnectionInterface),
	changedRule(gnm.ConnectionInterface),
	signalRule(gnm.DeviceInterface, gnm.DeviceSignalStateChanged),
	signalRule(gnm.ActiveConnectionInterface, gnm.ActiveConnectionSignalStateChanged),
	signalRule(gnm.SettingsInterface, signalNewConnection),
	signalRule(gnm.SettingsInterface, signalConnectionRemoved),
	signalRule(gnm.ConnectionInterface, signalUpdated),
	watchRules[len(watchRules)-1], // its coming and going
}

// Names of signals that gonetworkmanager lacks.
const (
	signalNewConnection     = "NewConnection"
	signalConnectionRemoved = "ConnectionRemoved"
	signalUpdated           = "Updated"
)

func signalRule(iface, member string) string {
	return "type='signal',sender='" + service + "',path_namespace='" + string(manager) + "',interface='" + iface + "',member='" + member + "'"
}

// changedRule is for the properties of one interface, whichever object has them.
func changedRule(iface string) string {
	return signalRule(propertiesInterface, "PropertiesChanged") + ",arg0='" + iface + "'"
}

// Times between two tries to find the bus again: the first, and the longest, each being twice the
// one before.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
	// retryTime bounds one try.
	retryTime = 10 * time.Second
)

// Watch tells when profiles, or what NetworkManager does with them, may have changed. The first
// event is Lost if NetworkManager is not there. It fails with [nmgre.ErrNoNetworkManager] where
// there is no bus; when the bus is lost later, it is looked for until it is back. The watch ends
// with ctx, or when the client is closed; then the channel is closed, and the bus has none of its
// rules any more.
func (c *Client) Watch(ctx context.Context) (<-chan nm.ProfileEvent, error) {
	f := &follower{client: c, events: make(chan nm.ProfileEvent, 1)}
	if err := f.subscribe(ctx); err != nil {
		return nil, failed("watch NetworkManager", err)
	}
	if !f.there {
		f.tell(nm.ProfileEvent{Lost: true})
	}
	go f.run(ctx)
	return f.events, nil
}

// follower tells what it hears, and looks for the bus when it is lost.
type follower struct {
	client *Client
	watch  *watch
	there  bool // NetworkManager is
	events chan nm.ProfileEvent
}

// subscribe finds the bus, and asks it whether NetworkManager is there.
func (f *follower) subscribe(ctx context.Context) error {
	l, err := f.client.link(ctx)
	if err != nil {
		return err
	}
	f.watch, err = l.subscribe(ctx, signalRules, request{destination: busName, path: busPath, method: busNameHasOwner, args: []any{service},
		done: func(body []any, err error) error {
			f.there = result[bool](body)
			return err
		}})
	return err
}

// run works until ctx ends or the client is closed.
func (f *follower) run(ctx context.Context) {
	defer close(f.events)
	for {
		f.listen(ctx)
		f.watch.close()
		if ctx.Err() != nil {
			return
		}
		if f.there {
			f.tell(nm.ProfileEvent{Lost: true})
		}
		if !f.findBus(ctx) {
			return
		}
		if f.there {
			f.tell(nm.ProfileEvent{Back: true})
		}
	}
}

// listen tells of signals until ctx ends or the bus is lost.
func (f *follower) listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case signal, open := <-f.watch.signals:
			if !open {
				return
			}
			f.hear(signal)
		}
	}
}

// hear tells of one signal, if it matters. On the connection there are also those that an
// activation waits for.
func (f *follower) hear(signal *dbus.Signal) {
	iface, member := splitMember(signal.Name)
	switch {
	case signal.Name == busNameOwnerChanged:
		if len(signal.Body) != 3 || signal.Body[0] != service {
			return
		}
		if f.there = signal.Body[2] != ""; f.there {
			f.tell(nm.ProfileEvent{Back: true})
			return
		}
		f.tell(nm.ProfileEvent{Lost: true})
	case signal.Name == propertiesChanged:
		for _, of := range [...]string{gnm.NetworkManagerInterface, gnm.DeviceInterface, gnm.ActiveConnectionInterface, gnm.ConnectionInterface} {
			if len(signal.Body) > 0 && signal.Body[0] == of {
				f.tell(nm.ProfileEvent{})
			}
		}
	case signal.Name == deviceStateChanged, signal.Name == activeStateChanged,
		iface == gnm.SettingsInterface && (member == signalNewConnection || member == signalConnectionRemoved),
		iface == gnm.ConnectionInterface && member == signalUpdated:
		f.tell(nm.ProfileEvent{})
	}
}

// tell leaves an event to whoever takes it, joined with the one that nobody has taken yet. Only one
// goroutine tells.
func (f *follower) tell(e nm.ProfileEvent) {
	select {
	case earlier := <-f.events:
		e = earlier.And(e)
	default:
	}
	f.events <- e
}

// findBus subscribes anew, as often as it takes; false when ctx has ended or the client is closed.
func (f *follower) findBus(ctx context.Context) bool {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-f.client.closed:
			timer.Stop()
			return false
		case <-timer.C:
		}
		trying, cancel := context.WithTimeout(ctx, retryTime)
		err := f.subscribe(trying)
		cancel()
		if err == nil {
			return true
		}
	}
}
