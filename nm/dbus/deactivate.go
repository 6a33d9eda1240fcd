package dbus

import (
	"context"
	"errors"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

const (
	// pollTime is how often a device is looked at that ought to go away, should a signal be missed.
	pollTime = 250 * time.Millisecond
	// lingerTime is how long a device may stay when its connection is down. NetworkManager deletes
	// the links that it made at once, and never those that were there before it.
	lingerTime = 2 * time.Second
)

// Deactivate takes the profile down and returns when its connection is gone, and with it the link
// if NetworkManager had made it.
func (c *Client) Deactivate(ctx context.Context, uuid string) error {
	const op = "take the tunnel down"
	l, err := c.link(ctx)
	if err != nil {
		return failed(op, err)
	}
	var actives []dbus.ObjectPath
	w, err := l.watch(ctx, activesRequest(&actives))
	if err != nil {
		return failed(op, err)
	}
	defer w.close()
	return failed(op, w.down(ctx, uuid, actives))
}

// Delete removes the profile, from the disk too, and returns when its link is gone as well.
// NetworkManager takes what it deletes down by itself, so that one who may not delete has not taken
// anything down either.
func (c *Client) Delete(ctx context.Context, uuid string) error {
	const op = "delete the profile"
	l, err := c.link(ctx)
	if err != nil {
		return failed(op, err)
	}
	var actives []dbus.ObjectPath
	w, err := l.watch(ctx, activesRequest(&actives))
	if err != nil {
		return failed(op, err)
	}
	defer w.close()
	// asked now, as afterwards they cannot say any more which device they had
	own, err := l.activesOf(ctx, uuid, actives)
	if err != nil {
		return failed(op, err)
	}
	tried, err := l.deleteProfile(ctx, uuid)
	if err != nil {
		return failed(op, err)
	}
	for _, a := range own {
		if err := w.untilGone(ctx, a); err != nil {
			return failed(op, err)
		}
	}
	return failed(op, l.deleteLink(ctx, tried))
}

// deleteProfile deletes the profile if it is there. Of one on trial it returns the name of the
// interface, whose link must go too.
//
// A NetworkManager that is starting has neither read all profiles nor looked at all links yet: what
// it does not know may still come, and the link of a profile that it lost at that moment would
// stay.
func (l *link) deleteProfile(ctx context.Context, uuid string) (tried string, err error) {
	profile, err := l.lookup(ctx, uuid)
	if errors.Is(err, fault.ErrNotFound) {
		return "", l.started(ctx)
	}
	if err != nil {
		return "", err
	}
	var s wire.Settings
	err = l.flight(ctx, []request{settingsRequest(profile, &s)})
	if err == nil && s.User(wire.KeyTrial) != "" {
		if err := l.started(ctx); err != nil {
			return "", err
		}
		tried = s.Text(wire.SetConnection, "interface-name")
	}
	if err == nil {
		err = l.call(ctx, profile, gnm.ConnectionDelete, nil)
	}
	if isGone(err) {
		return tried, nil
	}
	return tried, err
}

// started fails with [nmgre.ErrNoNetworkManager] as long as NetworkManager is starting.
func (l *link) started(ctx context.Context) error {
	var starting bool
	err := l.flight(ctx, []request{propertyRequest(manager, gnm.NetworkManagerPropertyStartup, func(body []any, err error) error {
		starting = variant[bool](body)
		return err
	})})
	if starting {
		return stillStarting()
	}
	return err
}

// deleteLink deletes the device of that name if there is one that no profile has. A trial's link
// has been made for it, and NetworkManager leaves it alone if it was restarted in between. A link
// that is up for another profile is that of who was first with the name.
func (l *link) deleteLink(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	var device dbus.ObjectPath
	if err := l.call(ctx, manager, gnm.NetworkManagerGetDeviceByIpIface, []any{name}, &device); isGone(err) {
		return nil
	} else if err != nil {
		return err
	}
	if mine, err := l.isLeftOver(ctx, device); err != nil || !mine {
		return err
	}
	if err := l.call(ctx, device, gnm.DeviceDelete, nil); !isGone(err) {
		return err
	}
	return nil
}

// isLeftOver says whether the device has a link, and no profile but one that NetworkManager made up
// for it.
func (l *link) isLeftOver(ctx context.Context, device dbus.ObjectPath) (bool, error) {
	all, err := l.getAll(ctx, device, gnm.DeviceInterface)
	if err != nil || !value[bool](all, gnm.DevicePropertyReal) {
		return false, unlessGone(err)
	}
	path := value[dbus.ObjectPath](all, gnm.DevicePropertyActiveConnection)
	if path == noObject || path == "" {
		return true, nil
	}
	all, err = l.getAll(ctx, path, gnm.ActiveConnectionInterface)
	return readActive(path, all).flags&stateFlagExternal != 0, unlessGone(err)
}

// activesRequest asks for the active connections.
func activesRequest(paths *[]dbus.ObjectPath) request {
	return propertyRequest(manager, gnm.NetworkManagerPropertyActiveConnections, func(body []any, err error) error {
		*paths = variant[[]dbus.ObjectPath](body)
		return err
	})
}

// down takes those of the active connections down that are the profile's, and waits until they and
// their links are gone.
func (w *watch) down(ctx context.Context, uuid string, actives []dbus.ObjectPath) error {
	own, err := w.link.activesOf(ctx, uuid, actives)
	if err != nil {
		return err
	}
	for _, a := range own {
		if a.state < gnm.NmActiveConnectionStateDeactivating {
			err := w.link.call(ctx, manager, gnm.NetworkManagerDeactivateConnection, []any{a.path})
			if err != nil && !isGone(err) {
				return err
			}
		}
		if err := w.untilGone(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// activesOf returns those of the active connections that are the profile's.
func (l *link) activesOf(ctx context.Context, uuid string, paths []dbus.ObjectPath) ([]active, error) {
	var own []active
	requests := make([]request, len(paths))
	for i, path := range paths {
		requests[i] = activeRequest(path, func(a active) {
			if a.uuid == uuid {
				own = append(own, a)
			}
		})
	}
	err := l.flight(ctx, requests)
	return own, err
}

// untilGone waits until the connection is no more, and neither is the link of its device.
func (w *watch) untilGone(ctx context.Context, a active) error {
	err := w.until(ctx, func() (bool, error) {
		all, err := w.link.getAll(ctx, a.path, gnm.ActiveConnectionInterface)
		return isGone(err) || readActive(a.path, all).state == gnm.NmActiveConnectionStateDeactivated, unlessGone(err)
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

// device says whether the device has a link, and whether it is still being taken down or is up
// again.
func (l *link) device(ctx context.Context, path dbus.ObjectPath) (there, busy bool, err error) {
	all, err := l.getAll(ctx, path, gnm.DeviceInterface)
	state := gnm.NmDeviceState(value[uint32](all, gnm.DevicePropertyState))
	return value[bool](all, gnm.DevicePropertyReal), state == gnm.NmDeviceStateDeactivating, unlessGone(err)
}

// until looks whether something is done, and again whenever a signal tells of one of the objects,
// and now and then anyway.
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

// news returns when a signal tells of one of the objects, or pollTime has passed.
func (w *watch) news(ctx context.Context, objects []dbus.ObjectPath) error {
	deadline := time.Now().Add(pollTime)
	for {
		signal, err := w.next(ctx, max(time.Until(deadline), time.Millisecond))
		if signal == nil || err != nil {
			return err
		}
		for _, path := range objects {
			if signal.Path == path || removes(signal, path) {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return nil
		}
	}
}
