package dbus

import (
	"context"
	"errors"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

const (
	// pollTime is how often to look whether a device is gone, in case a signal was missed.
	pollTime = 250 * time.Millisecond
	// lingerTime is how long to wait for a device to go away when its connection is down.
	// NetworkManager deletes the links that it made at once, and those that were there before it
	// never.
	lingerTime = 2 * time.Second
)

// Deactivate takes the profile down. It returns when the connection is gone, and its link too, if
// NetworkManager had made that.
func (c *Client) Deactivate(ctx context.Context, uuid string) error {
	const op = "take the tunnel down"
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	var actives []dbus.ObjectPath
	w, err := l.watch(ctx, activesRequest(&actives))
	if err != nil {
		return failure.Of(op, err)
	}
	defer w.close()
	if err = w.down(ctx, uuid, actives); err == nil {
		err = l.deleteAdopted(ctx, uuid)
	}
	return failure.Of(op, err)
}

// deleteAdopted deletes the link that was made by hand and that the profile has taken over. The
// next one is NetworkManager's own.
func (l *link) deleteAdopted(ctx context.Context, uuid string) error {
	_, s, err := l.settingsOf(ctx, uuid)
	if errors.Is(err, fault.ErrNotFound) || err == nil && !s.Adopts() {
		return nil
	}
	if err != nil {
		return unlessGone(err)
	}
	return l.deleteLink(ctx, s)
}

// Delete removes the profile, from the disk too, and returns when its link is gone as well.
// NetworkManager takes a profile that it deletes down by itself. So a caller who may not delete it
// does not take it down either.
func (c *Client) Delete(ctx context.Context, uuid string) error {
	const op = "delete the profile"
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	var actives []dbus.ObjectPath
	w, err := l.watch(ctx, activesRequest(&actives))
	if err != nil {
		return failure.Of(op, err)
	}
	defer w.close()
	// This is asked now, since afterwards nobody knows which devices they had.
	own, err := l.activesOf(ctx, uuid, actives)
	if err != nil {
		return failure.Of(op, err)
	}
	tried, err := l.deleteProfile(ctx, uuid)
	if err != nil {
		return failure.Of(op, err)
	}
	for _, a := range own {
		if err := w.untilGone(ctx, a); err != nil {
			return failure.Of(op, err)
		}
	}
	return failure.Of(op, l.deleteLink(ctx, tried))
}

// deleteProfile deletes the profile if it is there. It returns the settings of a profile on trial,
// whose link must go too.
//
// A NetworkManager that is starting has not read all profiles and links yet. A profile that it does
// not know may still come, and the link of a profile that is deleted at that moment would stay. So
// it fails with [fault.ErrNoNetworkManager] in these cases.
func (l *link) deleteProfile(ctx context.Context, uuid string) (tried wire.Settings, err error) {
	profile, err := l.lookup(ctx, uuid)
	if errors.Is(err, fault.ErrNotFound) {
		return nil, l.started(ctx)
	}
	if err != nil {
		return nil, err
	}
	var s wire.Settings
	err = l.flight(ctx, []request{settingsRequest(profile, &s)})
	if err == nil && s.Leaves() {
		if err := l.started(ctx); err != nil {
			return nil, err
		}
		tried = s
	}
	if err == nil {
		err = l.call(ctx, profile, gnm.ConnectionDelete, nil)
	}
	if refusal.IsGone(err) {
		return tried, nil
	}
	return tried, err
}

// started fails with [fault.ErrNoNetworkManager] as long as NetworkManager is starting.
func (l *link) started(ctx context.Context) error {
	var starting bool
	err := l.flight(ctx, []request{readProperty(manager, gnm.NetworkManagerPropertyStartup, &starting)})
	if starting {
		return failure.StillStarting()
	}
	return err
}

// deleteLink deletes the link of a profile that was tried, if no profile uses it: NetworkManager
// does not delete it if it was restarted since it made it. A link that is up for another profile of
// the same name stays.
func (l *link) deleteLink(ctx context.Context, tried wire.Settings) error {
	name := tried.Text(wire.Connection, "interface-name")
	if name == "" {
		return nil
	}
	var device dbus.ObjectPath
	if err := l.call(ctx, manager, gnm.NetworkManagerGetDeviceByIpIface, []any{name}, &device); refusal.IsGone(err) {
		return nil
	} else if err != nil {
		return err
	}
	if left, err := l.isLeftOver(ctx, device, tried); err != nil || !left {
		return err
	}
	if err := l.call(ctx, device, gnm.DeviceDelete, nil); !refusal.IsGone(err) {
		return err
	}
	return nil
}

// isLeftOver reports whether the device has the link of a profile that was tried, by more than the
// name, and no profile but one that NetworkManager generated for it.
func (l *link) isLeftOver(ctx context.Context, device dbus.ObjectPath, tried wire.Settings) (bool, error) {
	all, err := l.getAll(ctx, device, gnm.DeviceInterface)
	if err != nil || !message.Value[bool](all, gnm.DevicePropertyReal) || message.Value[uint32](all, gnm.DevicePropertyDeviceType) != uint32(gnm.NmDeviceTypeIpTunnel) {
		return false, unlessGone(err)
	}
	own, err := l.getAll(ctx, device, gnm.DeviceIpTunnelInterface)
	if err != nil || !tried.Made(own) {
		return false, unlessGone(err)
	}
	path := message.Value[dbus.ObjectPath](all, gnm.DevicePropertyActiveConnection)
	if path == noObject || path == "" {
		return true, nil
	}
	all, err = l.getAll(ctx, path, gnm.ActiveConnectionInterface)
	return readActive(path, all).flags&stateFlagExternal != 0, unlessGone(err)
}

// activesRequest asks for the object paths of all active connections.
func activesRequest(paths *[]dbus.ObjectPath) request {
	return readProperty(manager, gnm.NetworkManagerPropertyActiveConnections, paths)
}

// down takes the profile's connections among the active ones down, and waits until they and their
// links are gone.
func (w *watch) down(ctx context.Context, uuid string, actives []dbus.ObjectPath) error {
	own, err := w.link.activesOf(ctx, uuid, actives)
	if err != nil {
		return err
	}
	for _, a := range own {
		if a.state < gnm.NmActiveConnectionStateDeactivating {
			err := w.link.call(ctx, manager, gnm.NetworkManagerDeactivateConnection, []any{a.path})
			if err != nil && !refusal.IsGone(err) {
				return err
			}
		}
		if err := w.untilGone(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// activesOf returns the profile's connections among the active ones at paths.
func (l *link) activesOf(ctx context.Context, uuid string, paths []dbus.ObjectPath) (own []active, err error) {
	err = l.flight(ctx, l.ownActives(uuid, paths, &own))
	return own, err
}

// ownActives asks for the active connections at paths, and adds the profile's to own.
func (l *link) ownActives(uuid string, paths []dbus.ObjectPath, own *[]active) []request {
	requests := make([]request, len(paths))
	for i, path := range paths {
		requests[i] = activeRequest(path, func(a active) {
			l.seen.Active(a.path, a.uuid)
			if a.uuid == uuid {
				*own = append(*own, a)
			}
		})
	}
	return requests
}

// untilGone waits until the connection and the link of its device are gone.
func (w *watch) untilGone(ctx context.Context, a active) error {
	err := w.until(ctx, func() (bool, error) {
		all, err := w.link.getAll(ctx, a.path, gnm.ActiveConnectionInterface)
		return refusal.IsGone(err) || readActive(a.path, all).state == gnm.NmActiveConnectionStateDeactivated, unlessGone(err)
	}, a.path)
	if err != nil {
		return err
	}
	patience := time.Now().Add(lingerTime)
	return w.until(ctx, func() (bool, error) {
		for _, device := range a.devices {
			there, busy, err := w.link.device(ctx, device)
			if err != nil || there && (busy || time.Now().Before(patience)) {
				return false, err
			}
		}
		return true, nil
	}, a.devices...)
}

// device reports whether the device has a link (there), and whether it is still being taken down
// (busy).
func (l *link) device(ctx context.Context, path dbus.ObjectPath) (there, busy bool, err error) {
	all, err := l.getAll(ctx, path, gnm.DeviceInterface)
	state := gnm.NmDeviceState(message.Value[uint32](all, gnm.DevicePropertyState))
	return message.Value[bool](all, gnm.DevicePropertyReal), state == gnm.NmDeviceStateDeactivating, unlessGone(err)
}

// until returns when done returns true or fails. It calls done at first, then after every signal of
// one of the objects, and every pollTime.
func (w *watch) until(ctx context.Context, done func() (bool, error), objects ...dbus.ObjectPath) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if err := w.news(ctx, objects); err != nil {
			return err
		}
	}
}

// news returns when a signal tells of one of the objects, or when pollTime has passed.
func (w *watch) news(ctx context.Context, objects []dbus.ObjectPath) error {
	deadline := time.Now().Add(pollTime)
	for {
		signal, err := w.next(ctx, max(time.Until(deadline), time.Millisecond))
		if signal == nil || err != nil {
			return err
		}
		for _, path := range objects {
			if signal.Path == path || message.Removes(signal, path) {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return nil
		}
	}
}
