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
	"nmgre/nm/dbus/wire"
	"nmgre/routes"
	"nmgre/routes/fault"
)

const (
	// flagPreserveExternal has Reapply leave alone what NetworkManager has not set itself (since
	// 1.42).
	flagPreserveExternal uint32 = 0x1
	// flagVolatile and settingsVolatile mark a profile that goes away with its connection, in
	// Update2 and in a profile's Flags.
	flagVolatile     uint32 = 0x10
	settingsVolatile uint32 = 0x4
)

const (
	// undoTime bounds how long NetworkManager may take to get a device's old routes back.
	undoTime = 30 * time.Second
	// turnTime bounds how long a tunnel may be on its way up before its routes can be changed.
	turnTime = 30 * time.Second
	// restTime bounds what must be brought to its end though the caller has no more time.
	restTime = 5 * time.Second
	// maxTries is how often something is begun anew that somebody else got in the way of.
	maxTries = 10
)

// What is done in changing a profile's routes, for errors.
const (
	opRoutes = "change the profile's routes"
	opDevice = opRoutes + ": have its device use them"
)

// SetRoutes gives the profile the routes to instead of from, where it lives, on disk or in memory,
// and has NetworkManager apply them to the device. The tunnel stays up for it, and so does
// everything else: addresses and routes that others have set on the device, routes in the profile
// that nmgre does not know, and changes of the profile that wait for it to come up again. A tunnel
// that is coming up gets the routes on its way.
//
// Where the device has IPv6, NetworkManager before 1.56 switches it off and on again at every
// change. Its own addresses and routes are back in a moment; IPv6 ones that others have set are
// lost, and theirs to set again.
//
// It returns when NetworkManager has handed the routes to the kernel; what the kernel says to them
// NetworkManager does not tell. A route that a profile cannot hold is an [nmgre.ErrInvalid], unless
// the profile has it already. A profile that has other routes than from is an [nmgre.ErrChanged]:
// somebody else has been there. With a nil from it does not matter what it has.
//
// The device comes first, and the profile last. What NetworkManager refuses is undone. When ctx
// ends, or NetworkManager leaves the bus in the middle, nobody can say how far it came: the profile
// may have the old routes and the device the new ones. The same call again makes it whole.
func (c *Client) SetRoutes(ctx context.Context, uuid string, from, to []routes.Route) error {
	l, err := c.link(ctx)
	if err != nil {
		return failed(opRoutes, err)
	}
	w, err := l.watch(ctx)
	if err != nil {
		return failed(opRoutes, err)
	}
	defer w.close()
	return failed(opRoutes, w.setRoutes(ctx, uuid, from, to))
}

func (w *watch) setRoutes(ctx context.Context, uuid string, from, to []routes.Route) error {
	c := rerouting{watch: w, uuid: uuid, from: from, before: make(map[dbus.ObjectPath]wire.Settings)}
	err := c.run(ctx, to)
	if err == nil || ctx.Err() != nil || isAbsent(err) {
		return err
	}
	return errors.Join(err, c.restore(ctx))
}

// putRoutes gives the settings these routes instead of those they have.
func putRoutes(s wire.Settings, set []routes.Route) error {
	for _, family := range [...]string{wire.SetIPv4, wire.SetIPv6} {
		if unfit := wire.EncodeRoutes(s, family, set); len(unfit) > 0 {
			_, why := nm.RouteOwner(unfit[0], wire.Newest)
			return &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: unfit[0].String() + ": " + why}
		}
	}
	return nil
}

// copyRoutes gives s the routes of from, as they stand there.
func copyRoutes(s, from wire.Settings) {
	for _, family := range [...]string{wire.SetIPv4, wire.SetIPv6} {
		s.SetEntries(family, "route-data", from.Entries(family, "route-data"))
	}
}

// rerouting is the change of a profile's routes.
type rerouting struct {
	*watch
	uuid     string
	from     []routes.Route // what the profile must have; nil if that does not matter
	path     dbus.ObjectPath
	props    properties // of the profile, from before its settings were read
	old, now wire.Settings
	quirks   quirks
	before   map[dbus.ObjectPath]wire.Settings // what the devices that are to change ran with
}

// run tries until nobody else changes the profile meanwhile, which NetworkManager notices from 1.44
// on.
func (c *rerouting) run(ctx context.Context, set []routes.Route) error {
	var err error
	for range maxTries {
		err = c.try(ctx, set)
		if isGone(err) {
			return notFound(c.uuid)
		}
		if !isOutdated(err) {
			return err
		}
	}
	return &fault.Error{What: opRoutes + ": somebody else changes the profile all the time", Hint: "try again", Err: errors.New(fault.Printable(err.Error()))}
}

func (c *rerouting) try(ctx context.Context, set []routes.Route) error {
	if err := c.read(ctx); err != nil {
		return err
	}
	if err := c.expected(); err != nil {
		return err
	}
	c.now = c.old.Clone()
	if err := putRoutes(c.now, set); err != nil {
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
		if err := c.apply(ctx); err != nil { // what came up meanwhile did so with the old routes
			return err
		}
	}
	if err := c.link.untilIdle(ctx); err != nil {
		return err
	}
	return c.nudge(ctx)
}

// read reads the profile.
func (c *rerouting) read(ctx context.Context) (err error) {
	if c.path, err = c.link.lookup(ctx, c.uuid); err != nil {
		return err
	}
	// The properties, with the version, are asked for before the settings, so that they are never
	// newer.
	err = c.link.flight(ctx, []request{{path: c.path, method: propertiesGetAll, args: []any{gnm.ConnectionInterface}, done: func(body []any, err error) error {
		c.props = result[map[string]dbus.Variant](body)
		return err
	}}, settingsRequest(c.path, &c.old)})
	c.old.StripLegacy()
	return err
}

// expected fails if the profile has other routes than the caller knows of.
func (c *rerouting) expected() error {
	if c.from == nil {
		return nil
	}
	t, err := wire.Decode(c.old)
	if err != nil {
		return err
	}
	// in which a profile holds them
	for _, family := range [...]string{wire.SetIPv4, wire.SetIPv6} {
		if !slices.EqualFunc(ofFamily(t.Routes, family), ofFamily(c.from, family), (*routes.Route).Equal) {
			return &fault.Error{Kind: fault.ErrChanged, What: opRoutes + ": somebody else has changed them meanwhile", Hint: "look at them, and try again"}
		}
	}
	return nil
}

func ofFamily(set []routes.Route, family string) []*routes.Route {
	var list []*routes.Route
	for i := range set {
		if wire.FamilyOf(set[i].Dst.Addr()) == family {
			list = append(list, &set[i])
		}
	}
	return list
}

// mayModify fails with [nmgre.ErrNotPermitted] if polkit lets the caller change no profile
// whatever. The device, which comes first, is then left alone.
func (l *link) mayModify(ctx context.Context) error {
	answers, err := l.permissions(ctx)
	if err != nil {
		return err
	}
	if permission(answers[permissionModify]) == nm.PermissionNo && permission(answers[permissionModifyOwn]) == nm.PermissionNo {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: opRoutes + ": polkit does not let you change profiles (" + permissionModify + ")", Hint: hintRights}
	}
	return nil
}

// permissions asks what polkit lets the caller do.
func (l *link) permissions(ctx context.Context) (answers map[string]string, err error) {
	err = l.flight(ctx, []request{{path: manager, method: gnm.NetworkManagerGetPermissions, done: func(body []any, err error) error {
		answers = result[map[string]string](body)
		return err
	}}})
	return answers, err
}

// untilIdle returns when NetworkManager has done what it had put off. Reapply answers before the
// kernel has heard of the routes: 0.2 s before for 200 routes on a slow processor. They are set
// when the main loop has nothing more urgent to do (nm_l3cfg_commit_on_idle_schedule), and so is it
// with the answers about permissions (nm_auth_manager_check_authorization), which come after what
// was put off before. NetworkManager's own list of a device's routes would not do: from 1.46 on it
// has only the first hundred, and comes late.
func (l *link) untilIdle(ctx context.Context) error {
	_, err := l.permissions(ctx)
	return err
}

// write writes the profile where it is: without another flag NetworkManager writes to disk what is
// there, and keeps in memory what is not.
func (c *rerouting) write(ctx context.Context) error {
	wireHere, err := c.now.Wire()
	if err != nil {
		return err
	}
	flags, args := flagNoReapply, map[string]dbus.Variant{}
	if value[uint32](c.props, gnm.ConnectionPropertyFlags)&settingsVolatile != 0 {
		flags |= flagInMemory | flagVolatile
	}
	if version, ok := c.props["VersionId"]; ok {
		args["version-id"] = version
	}
	var rest map[string]dbus.Variant
	return c.link.call(ctx, c.path, gnm.ConnectionUpdate2, []any{wireHere, flags, args}, &rest)
}

// apply has what is active of the profile run with its new routes. A connection that has not got
// its device yet, or whose device is not ready for changes, has the old routes in it already: it is
// waited for. One that is going down is not.
func (c *rerouting) apply(ctx context.Context) error {
	patience := time.Now().Add(turnTime)
	for {
		pending, err := c.applyOnce(ctx)
		switch {
		case err != nil || len(pending) == 0:
			return err
		case time.Now().After(patience):
			return &fault.Error{Kind: fault.ErrTimeout, What: opRoutes + ": the tunnel neither came up nor down", Hint: "try again when it has: nmcli connection show --active; " + hintLog}
		}
		if err := c.news(ctx, pending); err != nil {
			return err
		}
	}
}

// applyOnce is one attempt at that. It returns what has to change before the next one.
func (c *rerouting) applyOnce(ctx context.Context) (pending []dbus.ObjectPath, err error) {
	var actives []dbus.ObjectPath
	var text string
	err = c.link.flight(ctx, []request{activesRequest(&actives), propertyRequest(manager, gnm.NetworkManagerPropertyVersion, func(body []any, err error) error {
		text = variant[string](body)
		return err
	})})
	if err != nil {
		return nil, err
	}
	version, err := parseVersion(text)
	if err != nil {
		return nil, err
	}
	c.quirks = quirksOf(version)
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
				return nil, failed(opDevice, err)
			}
			done = done && ok
		}
		if !done {
			pending = append(append(pending, a.path), a.devices...)
		}
	}
	return pending, nil
}

// applyTo has one device run with the new routes, and notes what it ran with before. It returns
// false if the device is not ready for it.
func (c *rerouting) applyTo(ctx context.Context, device dbus.ObjectPath) (bool, error) {
	_, again := c.before[device]
	r := reapplying{link: c.link, device: device, quirks: c.quirks, unlessSame: again}
	ok, err := r.run(ctx, c.now)
	if !again && r.applied != nil {
		c.before[device] = r.applied
	}
	return ok, err
}

// restore has the devices run with what they ran with before.
func (c *rerouting) restore(ctx context.Context) error {
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
			errs = append(errs, &fault.Error{What: "get the device's old routes back", Err: failed(opDevice, err), Hint: "take the tunnel down and up: nmcli connection up " + fault.Printable(c.uuid)})
		}
	}
	return errors.Join(errs...)
}

// reapplying is the change of what one device runs with.
type reapplying struct {
	*link
	device     dbus.ObjectPath
	quirks     quirks
	unlessSame bool          // do nothing if it runs with it already
	whole      bool          // all of the settings count, not the routes only
	applied    wire.Settings // what it ran with at first
	version    uint64        // counts the changes of that
}

// run has the device run with the routes of s, or with the whole of it. With the routes, all else
// that it runs with stays, even where the profile has something else by now: that may be what a
// device cannot change while it is up. It returns false if the device is not ready for it.
func (r *reapplying) run(ctx context.Context, s wire.Settings) (bool, error) {
	for range maxTries {
		err := r.try(ctx, s)
		if !isOutdated(err) {
			if isNotActive(err) || isGone(err) {
				return false, nil
			}
			return err == nil, err
		}
	}
	return false, nil
}

func (r *reapplying) try(ctx context.Context, s wire.Settings) error {
	applied, err := r.read(ctx)
	if err != nil {
		return err
	}
	if r.applied == nil {
		r.applied = applied
	}
	want := s
	if !r.whole {
		want = r.quirks.wanted(applied, s)
	}
	if r.unlessSame && reflect.DeepEqual(want, applied) {
		return nil
	}
	between := r.quirks.between(applied, want)
	if between == nil {
		return r.reapply(ctx, want)
	}
	if err := r.reapply(ctx, between); err != nil {
		return err
	}
	// nobody wants what is between
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), restTime)
	defer cancel()
	if err := r.untilIdle(rest); err != nil {
		return err
	}
	r.version = 0 // whatever it is by now
	return r.reapply(rest, want)
}

// read returns what the device runs with, and notes the version of that.
func (r *reapplying) read(ctx context.Context) (wire.Settings, error) {
	var applied map[string]map[string]dbus.Variant
	err := r.call(ctx, r.device, gnm.DeviceGetAppliedConnection, []any{uint32(0)}, &applied, &r.version)
	wire.Settings(applied).StripLegacy()
	return applied, err
}

// reapply has the device run with s, unless somebody else has changed what it runs with.
func (r *reapplying) reapply(ctx context.Context, s wire.Settings) error {
	wireHere, err := s.Wire()
	if err != nil {
		return err
	}
	return r.call(ctx, r.device, gnm.DeviceReapply, []any{wireHere, r.version, flagPreserveExternal})
}

// nudge has other tunnels' devices run with what they run with already, where they are members of
// the multipath routes that this one has joined or left by a route with a weight: NetworkManager
// sees to those of them that stay only when something is to be done for their own device. That it
// fails for somebody else's is no failure of this change.
func (c *rerouting) nudge(ctx context.Context) error {
	moved := make(map[netip.Prefix]bool)
	for _, before := range c.before {
		for _, e := range slices.Concat(weightless(before, c.now), weightless(c.now, before)) {
			if dst, err := wire.DecodePrefix(e, "dest", wire.SetIPv4); err == nil {
				moved[dst.Masked()] = true
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
		applied, err := r.read(ctx)
		if err == nil && hasWeighted(applied, moved) {
			err = r.reapply(ctx, applied)
		}
		if ctx.Err() != nil || isAbsent(err) {
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
