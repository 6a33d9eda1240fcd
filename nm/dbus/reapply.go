package dbus

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/applied"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/wire"
	"nmgre/routes"
	"nmgre/routes/fault"
)

const (
	// flagPreserveExternal makes Reapply keep the addresses and routes that others have set
	// (NetworkManager 1.42 and later).
	flagPreserveExternal uint32 = 0x1
	// Flags of a profile that was generated for a link, and of one that goes with its connection.
	settingsGenerated, settingsVolatile uint32 = 0x2, 0x4
)

const (
	// undoTime bounds how long NetworkManager may take to undo the change of a device's routes.
	undoTime = 30 * time.Second
	// turnTime bounds how long a tunnel may be on its way up before its routes can be changed.
	turnTime = 30 * time.Second
	// restTime bounds the second half of a change in two steps, which the caller cannot stop.
	restTime = 5 * time.Second
	// maxTries is how often a change is tried that somebody else gets in the way of.
	maxTries = 10
)

// Operations of a change of routes, for errors.
const (
	opRoutes = "change the profile's routes"
	opDevice = opRoutes + ": apply them to its device"
)

// SetRoutes gives the profile the routes to instead of from, and has NetworkManager apply them to
// the device. A profile on disk is written there, one in memory stays in memory. The tunnel stays
// up, and nothing else changes: addresses and routes that others have set on the device stay, and
// so do routes in the profile that nmgre does not know. Changes of the profile that wait for it to
// come up again go on waiting. A tunnel that is coming up gets the routes on its way.
//
// Where the device has IPv6, NetworkManager before 1.56 switches it off and on again at every
// change. Its own addresses and routes are back in a moment. IPv6 ones that others have set are
// lost, and they have to set them again.
//
// It returns when NetworkManager has handed the routes to the kernel; NetworkManager does not tell
// whether the kernel took them. It fails with [fault.ErrInvalid] for a route that a profile cannot
// hold, unless the profile has it already. It fails with [fault.ErrChanged] if the profile has
// other routes than from, since somebody else has changed them. A nil from skips that check.
//
// The device is changed first and the profile last. If NetworkManager refuses either, the change is
// undone. When ctx ends or NetworkManager leaves the bus in the middle, the profile may have the
// old routes and the device the new ones. The same call again completes the change.
func (c *Client) SetRoutes(ctx context.Context, uuid string, from, to []routes.Route) error {
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(opRoutes, err)
	}
	w, err := l.watch(ctx)
	if err != nil {
		return failure.Of(opRoutes, err)
	}
	defer w.close()
	return failure.Of(opRoutes, w.setRoutes(ctx, uuid, from, to))
}

func (w *watch) setRoutes(ctx context.Context, uuid string, from, to []routes.Route) error {
	c := rerouting{watch: w, uuid: uuid, from: from, before: make(map[dbus.ObjectPath]wire.Settings)}
	err := c.run(ctx, to)
	if err == nil || ctx.Err() != nil || failure.IsAbsent(err) {
		return err
	}
	return errors.Join(err, c.undo(ctx))
}

// rerouting is the change of a profile's routes.
type rerouting struct {
	*watch
	uuid     string
	from     []routes.Route // the routes that the profile must have; nil for any
	path     dbus.ObjectPath
	props    message.Properties // of the profile, read before its settings
	old, now wire.Settings
	quirks   applied.Quirks
	before   map[dbus.ObjectPath]wire.Settings // the settings that the devices ran with at first
}

// run tries again as long as somebody else changes the profile meanwhile. NetworkManager notices
// that from 1.44 on.
func (c *rerouting) run(ctx context.Context, to []routes.Route) error {
	var err error
	for range maxTries {
		err = c.try(ctx, to)
		if refusal.IsGone(err) {
			return c.link.notFound(c.uuid)
		}
		if !refusal.IsOutdated(err) {
			return err
		}
	}
	return &fault.Error{What: opRoutes + ": somebody else changes the profile all the time", Hint: "try again", Err: errors.New(fault.Printable(err.Error()))}
}

func (c *rerouting) try(ctx context.Context, to []routes.Route) error {
	if err := c.read(ctx); err != nil {
		return err
	}
	if err := c.checkUnchanged(); err != nil {
		return err
	}
	c.now = c.old.Clone()
	if err := c.now.SetRoutes(to); err != nil {
		return err
	}
	writes := !reflect.DeepEqual(c.now, c.old)
	if writes {
		if err := c.link.mayModify(ctx); err != nil {
			return err
		}
	}
	if err := c.apply(ctx); err != nil {
		return err
	}
	if writes {
		if err := c.write(ctx); err != nil {
			return err
		}
		// a tunnel that came up meanwhile has the old routes
		if err := c.apply(ctx); err != nil {
			return err
		}
	}
	if err := c.link.untilIdle(ctx); err != nil {
		return err
	}
	return c.nudge(ctx)
}

// read reads the profile. It asks for the properties, with the version, before the settings, so
// that they are never newer than these.
func (c *rerouting) read(ctx context.Context) (err error) {
	if c.path, err = c.link.lookup(ctx, c.uuid); err != nil {
		return err
	}
	err = c.link.flight(ctx, []request{{path: c.path, method: propertiesGetAll, args: []any{gnm.ConnectionInterface}, done: func(body []any, err error) error {
		c.props = message.Result[map[string]dbus.Variant](body)
		return err
	}}, settingsRequest(c.path, &c.old)})
	c.old.StripLegacy()
	return err
}

// checkUnchanged fails if the profile has other routes than the caller knows.
func (c *rerouting) checkUnchanged() error {
	if c.from == nil {
		return nil
	}
	t, err := wire.Decode(c.old)
	if err != nil {
		return err
	}
	if !wire.SameRoutes(t.Routes, c.from) {
		return &fault.Error{Kind: fault.ErrChanged, What: opRoutes + ": somebody else has changed them meanwhile", Hint: "look at them, and try again"}
	}
	return nil
}

// mayModify fails with [fault.ErrNotPermitted] if polkit lets the caller change no profile at all.
// It is asked before the device is changed, so that this change need not be undone.
func (l *link) mayModify(ctx context.Context) error {
	answers, err := l.permissions(ctx)
	if err != nil {
		return err
	}
	if permission(answers[permissionModify]) == nm.PermissionNo && permission(answers[permissionModifyOwn]) == nm.PermissionNo {
		return failure.NotPermitted(opRoutes, "polkit does not let you change profiles ("+permissionModify+")")
	}
	return nil
}

// permissions asks for polkit's answers to all of NetworkManager's actions, by their names.
func (l *link) permissions(ctx context.Context) (answers map[string]string, err error) {
	err = l.flight(ctx, []request{permissionsRequest(&answers)})
	return answers, err
}

// untilIdle returns when NetworkManager has done all the work that it had put off. Reapply answers
// before the kernel hears of the routes: for 200 routes on a slow processor, 0.2 s before.
// NetworkManager sets them when its main loop has nothing more urgent to do
// (nm_l3cfg_commit_on_idle_schedule). It puts off answers about permissions in the same way
// (nm_auth_manager_check_authorization), and keeps the order. Its own list of a device's routes is
// no substitute: from 1.46 on it holds only the first hundred, and comes late.
func (l *link) untilIdle(ctx context.Context) error {
	var answers map[string]string
	r := permissionsRequest(&answers)
	r.slow = true
	return l.flight(ctx, []request{r})
}

// write writes the profile where it is, on disk or in memory, unless it has changed since it was
// read.
func (c *rerouting) write(ctx context.Context) error {
	var flags uint32
	options := map[string]dbus.Variant{}
	if message.Value[uint32](c.props, gnm.ConnectionPropertyFlags)&settingsVolatile != 0 {
		flags = flagInMemory | flagVolatile
	}
	if version, ok := c.props["VersionId"]; ok {
		options["version-id"] = version
	}
	return c.link.write(ctx, c.path, c.now, flags, options)
}

// apply makes the devices of the profile's active connections run with its new routes. A connection
// that has no device yet, or whose device is not ready for changes, has the old routes already and
// is waited for. One that is going down is passed over.
func (c *rerouting) apply(ctx context.Context) error {
	patience := time.Now().Add(turnTime)
	for {
		waiting, err := c.applyOnce(ctx)
		switch {
		case err != nil || len(waiting) == 0:
			return err
		case time.Now().After(patience):
			return &fault.Error{Kind: fault.ErrTimeout, What: opRoutes + ": the tunnel neither came up nor went down", Hint: "try again when it has: nmcli connection show --active; " + failure.HintLog}
		}
		if err := c.news(ctx, waiting); err != nil {
			return err
		}
	}
}

// applyOnce is one attempt of [rerouting.apply]. It returns the objects of which one has to change
// before the next attempt.
func (c *rerouting) applyOnce(ctx context.Context) (waiting []dbus.ObjectPath, err error) {
	var actives []dbus.ObjectPath
	var text string
	if err := c.link.flight(ctx, []request{activesRequest(&actives), versionRequest(&text)}); err != nil {
		return nil, err
	}
	version, err := parseVersion(text)
	if err != nil {
		return nil, err
	}
	c.quirks = applied.For(version)
	own, err := c.link.activesOf(ctx, c.uuid, actives)
	if err != nil {
		return nil, err
	}
	for _, a := range own {
		if a.state >= gnm.NmActiveConnectionStateDeactivating {
			continue
		}
		done := len(a.devices) > 0
		for _, device := range a.devices {
			ok, err := c.applyTo(ctx, device)
			if err != nil {
				return nil, failure.Of(opDevice, err)
			}
			done = done && ok
		}
		if !done {
			waiting = append(append(waiting, a.path), a.devices...)
		}
	}
	return waiting, nil
}

// applyTo makes one device run with the new routes, and notes its settings from before. It returns
// false if the device is not ready for a change.
func (c *rerouting) applyTo(ctx context.Context, device dbus.ObjectPath) (bool, error) {
	_, again := c.before[device]
	r := reapplying{link: c.link, device: device, quirks: c.quirks, unlessSame: again}
	ok, err := r.run(ctx, c.now)
	if !again && r.applied != nil {
		c.before[device] = r.applied
	}
	return ok, err
}

// again is the hint to make the tunnel anew.
func (c *rerouting) again() string {
	name := fault.Operand(fault.Printable(c.old.Text(wire.Connection, "interface-name")))
	return "take the tunnel down and up: nmgre down " + name + " && nmgre up " + name
}

// undo makes the devices run with their settings from before. It goes on when ctx has ended.
func (c *rerouting) undo(ctx context.Context) error {
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	var errs []error
	for device, before := range c.before {
		r := reapplying{link: c.link, device: device, quirks: c.quirks, unlessSame: true}
		_, err := r.run(undoing, before)
		if err == nil {
			err = c.link.untilIdle(undoing)
		}
		if err != nil {
			errs = append(errs, &fault.Error{What: "undo the change of the device's routes", Err: failure.Of(opDevice, err), Hint: c.again()})
		}
	}
	return errors.Join(errs...)
}

// reapplying is a change of the settings that one device runs with, its applied connection.
type reapplying struct {
	*link
	device     dbus.ObjectPath
	quirks     applied.Quirks
	unlessSame bool          // do nothing if the device has the settings already
	whole      bool          // apply all of the settings, not only their routes
	restore    bool          // set again what others have removed, and remove what they have added
	applied    wire.Settings // the settings that it ran with at first
	version    uint64        // NetworkManager's count of their changes
}

// run makes the device run with the routes of s, or with all of s. With the routes only, its other
// settings stay, even if the profile has others by now: a device may not be able to change those
// while it is up. It returns false if the device is not ready for a change.
func (r *reapplying) run(ctx context.Context, s wire.Settings) (bool, error) {
	for range maxTries {
		err := r.try(ctx, s)
		if !refusal.IsOutdated(err) {
			if refusal.IsNotActive(err) || refusal.IsGone(err) {
				return false, nil
			}
			return err == nil, err
		}
	}
	return false, nil
}

func (r *reapplying) try(ctx context.Context, s wire.Settings) error {
	running, err := r.read(ctx)
	if err != nil {
		return err
	}
	if r.applied == nil {
		r.applied = running
	}
	want := r.quirks.Wanted(running, s)
	if r.whole {
		want = applied.Acceptable(running, s)
	}
	if r.unlessSame && reflect.DeepEqual(want, running) {
		return nil
	}
	between := r.quirks.Between(running, want)
	if between == nil {
		return r.reapply(ctx, want)
	}
	if err := r.reapply(ctx, between); err != nil {
		return err
	}
	// nobody wants to stay in between, so this goes on when ctx has ended
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), restTime)
	defer cancel()
	if err := r.untilIdle(rest); err != nil {
		return err
	}
	r.version = 0 // accept any version
	return r.reapply(rest, want)
}

// read returns the settings that the device runs with, and notes their version.
func (r *reapplying) read(ctx context.Context) (wire.Settings, error) {
	var running map[string]map[string]dbus.Variant
	err := r.call(ctx, r.device, gnm.DeviceGetAppliedConnection, []any{uint32(0)}, &running, &r.version)
	wire.Settings(running).StripLegacy()
	return running, err
}

// reapply makes the device run with s, unless somebody else has changed its settings since they
// were read.
func (r *reapplying) reapply(ctx context.Context, s wire.Settings) error {
	values, err := s.Values()
	if err != nil {
		return err
	}
	flags := flagPreserveExternal
	if r.restore {
		flags = 0
	}
	return r.call(ctx, r.device, gnm.DeviceReapply, []any{values, r.version, flags})
}

// nudge applies their own settings again to the devices of other tunnels that share a multipath
// route with this one, if this one has joined or left it by a route with a weight. NetworkManager
// corrects such a route only when it has something to do for a device that keeps it. An error for
// another tunnel's device does not fail this change.
func (c *rerouting) nudge(ctx context.Context) error {
	moved := make(map[netip.Prefix]bool)
	for _, before := range c.before {
		for _, e := range slices.Concat(applied.Weightless(before, c.now), applied.Weightless(c.now, before)) {
			if dst, err := wire.DecodeDst(e, wire.IPv4); err == nil {
				moved[dst] = true
			}
		}
	}
	if len(moved) == 0 {
		return nil
	}
	devices, err := c.otherDevices(ctx)
	if err != nil {
		return err
	}
	for _, device := range devices {
		r := reapplying{link: c.link, device: device}
		running, err := r.read(ctx)
		if err == nil && applied.HasWeighted(running, moved) {
			err = r.reapply(ctx, running)
		}
		if ctx.Err() != nil || failure.IsAbsent(err) {
			return err
		}
	}
	return c.link.untilIdle(ctx)
}

// otherDevices returns the devices that run with other profiles.
func (c *rerouting) otherDevices(ctx context.Context) (devices []dbus.ObjectPath, err error) {
	var actives []dbus.ObjectPath
	if err := c.link.flight(ctx, []request{activesRequest(&actives)}); err != nil {
		return nil, err
	}
	requests := make([]request, len(actives))
	for i, path := range actives {
		requests[i] = activeRequest(path, func(a active) {
			if a.uuid != c.uuid && a.flags&stateFlagExternal == 0 {
				devices = append(devices, a.devices...)
			}
		})
	}
	return devices, c.link.flight(ctx, requests)
}
