package dbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/reason"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// reasonTime is how long to wait for the reason when an activation has failed.
const reasonTime = 200 * time.Millisecond

// Activate brings the profile up. It returns when the tunnel's addresses are set. NetworkManager's
// state "activated" comes earlier, when one family is ready.
//
// If it fails, the error has NetworkManager's reason in words, and a hint. When ctx ends,
// NetworkManager may still go on.
func (c *Client) Activate(ctx context.Context, uuid string) error {
	const op = "bring the tunnel up"
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	var profile dbus.ObjectPath
	w, err := l.watch(ctx, l.lookupRequest(uuid, &profile))
	if err != nil {
		return failure.Of(op, err)
	}
	defer w.close()
	a := activation{watch: w, devices: make(map[dbus.ObjectPath]deviceState)}
	if err := a.run(ctx, profile); err != nil {
		return failure.Of(op, a.explain(ctx, err))
	}
	return nil
}

// activation is one activation that is waited for.
type activation struct {
	watch *watch
	name  string // of the interface
	need  uint32 // the state flags without which it is not ready

	active active
	reason uint32 // why the connection is in its state
	waits  string // why NetworkManager may wait in vain, by the profile's methods

	devices map[dbus.ObjectPath]deviceState
}

// deviceState is the last state of a device, with its reason.
type deviceState struct{ state, reason uint32 }

// errFailed says that NetworkManager gave up. The activation knows the reason.
var errFailed = errors.New("the activation failed")

// run starts the activation and follows it to its end.
func (a *activation) run(ctx context.Context, profile dbus.ObjectPath) error {
	if err := a.start(ctx, profile); err != nil {
		return err
	}
	// The properties read now have everything up to here, and signals tell the rest.
	all, err := a.watch.link.getAll(ctx, a.active.path, gnm.ActiveConnectionInterface)
	switch {
	case refusal.IsGone(err):
		return a.giveUp(ctx)
	case err != nil:
		return err
	}
	a.active = readActive(a.active.path, all)
	for !a.ready() {
		if a.over() {
			return a.giveUp(ctx)
		}
		signal, err := a.watch.next(ctx, 0)
		if err != nil {
			return err
		}
		a.note(signal)
	}
	return nil
}

// start asks NetworkManager to activate the profile, and reads the name and the flags to wait for.
func (a *activation) start(ctx context.Context, profile dbus.ObjectPath) error {
	var s wire.Settings
	err := a.watch.link.flight(ctx, []request{
		settingsRequest(profile, &s),
		{path: manager, method: gnm.NetworkManagerActivateConnection, args: []any{profile, noObject, noObject}, done: func(body []any, err error) error {
			a.active.path = message.Result[dbus.ObjectPath](body)
			return err
		}},
	})
	a.waits = s.Waits()
	a.name, a.need = fault.Printable(s.Text(wire.Connection, "interface-name")), s.ReadyFlags()
	return err
}

func (a *activation) ready() bool {
	return a.active.state == gnm.NmActiveConnectionStateActivated && a.active.flags&a.need == a.need
}

func (a *activation) over() bool {
	return a.active.state >= gnm.NmActiveConnectionStateDeactivating
}

// note updates the activation by a signal.
func (a *activation) note(signal *dbus.Signal) {
	n := message.Numbers(signal)
	switch {
	case message.Removes(signal, a.active.path):
		a.active.state = gnm.NmActiveConnectionStateDeactivated
	case signal.Name == deviceStateChanged && len(n) == 3: // new, old, reason
		a.noteDevice(signal.Path, n[0], n[2])
	case signal.Path != a.active.path:
	case signal.Name == activeStateChanged && len(n) == 2:
		a.active.state, a.reason = gnm.NmActiveConnectionState(n[0]), n[1]
	default:
		a.noteChanges(message.Changes(signal, gnm.ActiveConnectionInterface))
	}
}

// noteDevice notes a device's state. States after a failure, such as disconnected, are ignored.
func (a *activation) noteDevice(path dbus.ObjectPath, state, reason uint32) {
	if a.devices[path].state != uint32(gnm.NmDeviceStateFailed) {
		a.devices[path] = deviceState{state, reason}
	}
}

func (a *activation) noteChanges(changed message.Properties) {
	for name, v := range changed {
		switch x := v.Value().(type) {
		case uint32:
			switch name {
			case "State":
				a.active.state = gnm.NmActiveConnectionState(x)
			case "StateFlags":
				a.active.flags = x
			}
		case []dbus.ObjectPath:
			if name == "Devices" && len(x) > 0 {
				a.active.devices = x
			}
		}
	}
}

// giveUp returns errFailed when NetworkManager has told the reason, or after reasonTime. The reason
// is in a signal of its own, which may come after the one that tells of the failure.
func (a *activation) giveUp(ctx context.Context) error {
	for a.reason == 0 || a.active.state != gnm.NmActiveConnectionStateDeactivated {
		signal, err := a.watch.next(ctx, reasonTime)
		if err != nil {
			return err
		}
		if signal == nil {
			break
		}
		a.note(signal)
	}
	return errFailed
}

// explain turns err into an error that says why the activation failed, or how far it came in the
// time allowed.
func (a *activation) explain(ctx context.Context, err error) error {
	device, known := a.deviceNews()
	switch {
	case errors.Is(err, errFailed):
		what := fmt.Sprintf("NetworkManager could not bring %s up: %s", a.name, reason.Active(a.reason))
		if known && device.reason > gnm.NmDeviceStateReasonUnknown {
			what += "; " + reason.Device(device.reason)
		}
		return &fault.Error{What: what, Hint: a.hint(device)}
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		what := fmt.Sprintf("%s did not come up in the time allowed", a.name)
		if known {
			what += fmt.Sprintf(": its device is in the state %q", reason.DeviceState(device.state))
		}
		return &fault.Error{Kind: fault.ErrTimeout, What: what, Hint: "allow more time with --wait; " + a.hint(deviceState{})}
	}
	return err
}

// deviceNews returns the last state of the device that the activation uses; ok is false if it is
// not known.
func (a *activation) deviceNews() (news deviceState, ok bool) {
	for _, path := range a.active.devices {
		if s, ok := a.devices[path]; ok {
			return s, true
		}
	}
	// The connection went away before it could be asked, and only one device had news.
	if len(a.active.devices) == 0 && len(a.devices) == 1 {
		for _, s := range a.devices {
			return s, true
		}
	}
	return deviceState{}, false
}

// hint returns hints for the reasons of the connection and its device.
func (a *activation) hint(device deviceState) string {
	hints := reason.Hints(a.reason, device.reason)
	if a.waits != "" {
		hints = append(hints, a.waits+": give it an address with nmgre edit "+fault.Operand(a.name)+" --address CIDR")
	}
	return strings.Join(append(hints, failure.HintLog), "; ")
}
