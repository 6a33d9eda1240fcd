package dbus

import (
	"context"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
)

// signalRules match the signals that tell of profiles, their connections and their devices. Others
// would keep the process busy: on some hosts they come all the time, such as those of wireless
// networks in reach.
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
	watchRules[len(watchRules)-1], // NetworkManager's coming and going
}

// Names of signals that gonetworkmanager lacks.
const (
	signalNewConnection     = "NewConnection"
	signalConnectionRemoved = "ConnectionRemoved"
	signalUpdated           = "Updated"
)

// signalRule matches one signal, whichever object sends it.
func signalRule(iface, member string) string {
	return "type='signal',sender='" + service + "',path_namespace='" + string(manager) + "',interface='" + iface + "',member='" + member + "'"
}

// changedRule matches changes of the properties of one interface, whichever object has them.
func changedRule(iface string) string {
	return signalRule(propertiesInterface, "PropertiesChanged") + ",arg0='" + iface + "'"
}

const (
	// firstRetry and lastRetry are the first and the longest pause between two tries to find the
	// bus again. Each pause is twice the one before.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
	// retryTime bounds one try.
	retryTime = 10 * time.Second
)

// Watch tells when profiles, their connections or their devices may have changed. The first event
// is Lost if NetworkManager is not there. It fails with [fault.ErrNoNetworkManager] where there is
// no bus. When the bus is lost later, the watch looks for it until it is back. The watch ends with
// ctx, or when the client is closed. Then the channel is closed, and the bus has none of its match
// rules any more.
func (c *Client) Watch(ctx context.Context) (<-chan nm.ProfileEvent, error) {
	f := &follower{client: c, events: make(chan nm.ProfileEvent, 1)}
	if err := f.subscribe(ctx); err != nil {
		return nil, failure.Of("watch NetworkManager", err)
	}
	if !f.there {
		f.tell(nm.ProfileEvent{Lost: true})
	}
	go f.run(ctx)
	return f.events, nil
}

// follower turns signals into events, and looks for the bus when it is lost.
type follower struct {
	client *Client
	watch  *watch
	there  bool // NetworkManager is on the bus
	events chan nm.ProfileEvent
}

// subscribe finds the bus, and asks it whether NetworkManager is there.
func (f *follower) subscribe(ctx context.Context) error {
	l, err := f.client.link(ctx)
	if err != nil {
		return err
	}
	if f.watch, err = l.subscribe(ctx, signalRules); err == nil {
		f.there = f.watch.owner != ""
	}
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

// listen tells the signals as events until ctx ends or the bus is lost.
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

// hear tells one signal as an event, if it matters. The connection also gets the signals that an
// activation waits for.
func (f *follower) hear(signal *dbus.Signal) {
	if !f.watch.genuine(signal) {
		return
	}
	iface, member := message.Split(signal.Name)
	switch {
	case signal.Name == busNameOwnerChanged:
		if f.there = f.watch.owner != ""; f.there {
			f.tell(nm.ProfileEvent{Back: true})
			return
		}
		f.tell(nm.ProfileEvent{Lost: true})
	case signal.Name == message.PropertiesChanged:
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

// tell puts an event into the channel, joined with the one that nobody has taken yet. Only one
// goroutine calls it at a time.
func (f *follower) tell(e nm.ProfileEvent) {
	select {
	case earlier := <-f.events:
		e = earlier.And(e)
	default:
	}
	f.events <- e
}

// findBus tries to subscribe until it succeeds. It returns false when ctx has ended or the client
// is closed.
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
