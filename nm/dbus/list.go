package dbus

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/bulk"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/reason"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// maxDetailed is the greatest number of tunnels for which [Client.List] asks for the file of each.
// For NetworkManager that question is half as much work again as the one for the settings.
const maxDetailed = 100

// stateFlagExternal marks a connection that NetworkManager generated for a link which somebody else
// made (NM_ACTIVATION_STATE_FLAG_EXTERNAL).
const stateFlagExternal uint32 = 0x80

// List returns every profile that the caller may see, in the order in which NetworkManager got
// them. For profiles that are not GRE tunnels, and for those that [wire.Decode] refuses, only UUID,
// ID, Serial, State, Bridge and Tunnel.Name are set.
//
// On hosts with more than a hundred tunnels, Unsaved and Path are set for profiles on trial only.
func (c *Client) List(ctx context.Context) ([]nm.Profile, error) {
	const op = "list the profiles"
	l, err := c.link(ctx)
	if err != nil {
		return nil, failure.Of(op, err)
	}
	var paths, actives []dbus.ObjectPath
	err = l.flight(ctx, []request{
		{path: settings, method: gnm.SettingsListConnections, done: func(body []any, err error) error {
			paths = message.Result[[]dbus.ObjectPath](body)
			return err
		}},
		activesRequest(&actives),
	})
	if err != nil {
		return nil, failure.Of(op, err)
	}
	profiles, err := l.profiles(ctx, paths, actives)
	nm.TellAlone(profiles)
	l.remember(profiles)
	return profiles, failure.Of(op, err)
}

// Serials returns the Serial of every profile, in no particular order.
func (c *Client) Serials(ctx context.Context) ([]uint64, error) {
	const op = "list the profiles"
	l, err := c.link(ctx)
	if err != nil {
		return nil, failure.Of(op, err)
	}
	var paths []dbus.ObjectPath
	if err := l.call(ctx, settings, gnm.SettingsListConnections, nil, &paths); err != nil {
		return nil, failure.Of(op, err)
	}
	serials := make([]uint64, len(paths))
	for i, path := range paths {
		serials[i] = wire.Serial(path)
	}
	return serials, nil
}

// Get returns the profile with all its fields, or fails with [fault.ErrNotFound].
func (c *Client) Get(ctx context.Context, uuid string) (nm.Profile, error) {
	const op = "read the profile"
	l, err := c.link(ctx)
	if err != nil {
		return nm.Profile{}, failure.Of(op, err)
	}
	var s wire.Settings
	var file found
	path, own, err := l.whole(ctx, uuid, true, &s, func(path dbus.ObjectPath) []request { file.path = path; return []request{fileRequest(&file)} })
	if refusal.IsGone(err) || refusal.IsDenied(err) || file.gone { // it has vanished meanwhile
		err = l.notFound(uuid)
	}
	if err != nil {
		return nm.Profile{}, failure.Of(op, err)
	}
	all := []found{readProfile(path, s)}
	p := &all[0]
	if own = append(own, active{}); p.Tunnel.Mode != 0 {
		p.Unsaved, p.Path, p.filed = file.Unsaved, file.Path, true
	}
	p.setActivity(slices.MaxFunc(own, func(a, b active) int { return cmp.Compare(a.rank(), b.rank()) }))
	if err := l.addDetails(ctx, all, nil); err != nil {
		return nm.Profile{}, failure.Of(op, err)
	}
	was, _ := l.seen.TitleOf(uuid)
	p.Alone = was.Alone && was.ID == p.ID
	return p.Profile, nil
}

// found is a profile that is being put together.
type found struct {
	nm.Profile
	path        dbus.ObjectPath
	mark        string          // of the process that tries it; empty if it is not on trial
	device      dbus.ObjectPath // the device to ask for its state; empty to ask none
	filed, gone bool            // its file is known; it vanished meanwhile
	made        bool            // NetworkManager made it for a link
}

// isGone reports a profile that has vanished, or goes with the link for which it was generated.
func (p found) isGone() bool { return p.gone || p.made && p.State == nm.StateInactive }

// profiles reads the profiles at paths, and their states from the active connections. It leaves out
// profiles that vanish meanwhile or may not be seen. It asks in rounds, each with many questions at
// once: first for the settings, and only where one of them is a tunnel's for the rest.
func (l *link) profiles(ctx context.Context, paths, actives []dbus.ObjectPath) ([]nm.Profile, error) {
	all := make([]found, len(paths))
	requests, err := l.bulk(ctx, paths, func(i int, s wire.Settings) { all[i] = readProfile(paths[i], s) })
	if err == nil {
		err = l.flight(ctx, requests)
	}
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p found) bool { return p.UUID == "" })
	for i := range all {
		l.seen.Profile(all[i].UUID, all[i].path)
	}
	if slices.ContainsFunc(all, func(p found) bool { return p.Tunnel.Mode != 0 || p.mark != "" }) {
		err = l.addDetails(ctx, all, actives)
	}
	return sorted(slices.DeleteFunc(all, found.isGone)), err
}

// bulkFrom is the number of profiles from which on it pays to read them over a connection of their
// own.
const bulkFrom = 50

// bulk passes the settings of many profiles to each, and returns the requests for the rest: for few
// profiles all of them, for many those that could not be read in bulk.
func (l *link) bulk(ctx context.Context, paths []dbus.ObjectPath, each func(int, wire.Settings)) ([]request, error) {
	done := make([]bool, len(paths))
	if len(paths) >= bulkFrom {
		err := bulk.Read(ctx, l.addr, service, l.patience, paths, func(i int, a bulk.Answer) {
			if done[i] = a.Err == nil || refusal.IsGone(a.Err) || refusal.IsDenied(a.Err); a.Err == nil {
				each(i, a.Settings)
			}
		})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = failure.ErrSilent
		}
		if ctx.Err() != nil || errors.Is(err, failure.ErrSilent) {
			return nil, silent(ctx, err)
		}
		// After another error everything is asked again below, which then tells the error.
	}
	var requests []request
	for i, path := range paths {
		if !done[i] {
			requests = append(requests, request{path: path, method: gnm.ConnectionGetSettings, done: func(body []any, err error) error {
				each(i, message.Result[map[string]map[string]dbus.Variant](body))
				return unlessGone(err)
			}})
		}
	}
	return requests, nil
}

// unlessGone returns err, or nil if it says that a single object has vanished or may not be seen: a
// flight goes on then.
func unlessGone(err error) error {
	if refusal.IsGone(err) || refusal.IsDenied(err) {
		return nil
	}
	return err
}

// readProfile returns the profile as far as its settings tell.
func readProfile(path dbus.ObjectPath, s wire.Settings) found {
	p := found{path: path}
	p.UUID = fault.Printable(s.Text(wire.Connection, "uuid"))
	p.ID = fault.Printable(s.Text(wire.Connection, "id"))
	p.Serial = wire.Serial(path)
	p.State = nm.StateInactive
	p.Tunnel.Name = fault.Printable(s.Text(wire.Connection, "interface-name"))
	if s.Mode() == 0 {
		p.Bridge = s.IsBridge()
		return p
	}
	if t, err := wire.Decode(s); err == nil {
		p.Tunnel, p.mark, p.Users, p.With, p.Adopts, p.Beyond = t, s.TrialMark(), s.Users(), s.With(), s.Adopts(), s.Beyond(t)
	}
	if p.mark == "" {
		p.mark, p.Edit = s.EditOf()
	}
	return p
}

// active is an active connection, as NetworkManager tells of it.
type active struct {
	path    dbus.ObjectPath
	profile dbus.ObjectPath
	uuid    string
	devices []dbus.ObjectPath
	state   gnm.NmActiveConnectionState
	flags   uint32
}

func readActive(path dbus.ObjectPath, p message.Properties) active {
	return active{
		path:    path,
		profile: message.Value[dbus.ObjectPath](p, gnm.ActiveConnectionPropertyConnection),
		uuid:    message.Value[string](p, gnm.ActiveConnectionPropertyUuid),
		devices: message.Value[[]dbus.ObjectPath](p, gnm.ActiveConnectionPropertyDevices),
		state:   gnm.NmActiveConnectionState(message.Value[uint32](p, gnm.ActiveConnectionPropertyState)),
		flags:   message.Value[uint32](p, gnm.ActiveConnectionPropertyStateFlags),
	}
}

// activeRequest asks for an active connection. If it is gone, each is not called.
func activeRequest(path dbus.ObjectPath, each func(active)) request {
	return request{path: path, method: propertiesGetAll, args: []any{gnm.ActiveConnectionInterface}, done: func(body []any, err error) error {
		if err == nil {
			each(readActive(path, message.Result[map[string]dbus.Variant](body)))
		}
		return unlessGone(err)
	}}
}

// rank orders the active connections of one profile, as [reason.Rank] does.
func (a active) rank() int { return reason.Rank(a.state) }

// isUp reports whether no other active connection of the profile comes before a.
func (a active) isUp() bool { return a.state == gnm.NmActiveConnectionStateActivated }

// setActivity sets the state of a tunnel and its device. In the active state it is not necessary to
// ask for the device, which has the name in the profile.
func (p *found) setActivity(a active) {
	if p.Tunnel.Mode == 0 || a.rank() == 0 {
		return
	}
	p.Device = p.Tunnel.Name
	switch a.state {
	case gnm.NmActiveConnectionStateActivated:
		p.State = nm.StateActive
		p.DeviceState = reason.DeviceState(uint32(gnm.NmDeviceStateActivated))
	case gnm.NmActiveConnectionStateActivating:
		p.State = nm.StateActivating
	default: // on its way down
	}
	if a.flags&stateFlagExternal != 0 {
		p.State = nm.StateExternal
	}
	if a.state != gnm.NmActiveConnectionStateActivated && len(a.devices) > 0 {
		p.device = a.devices[0]
	}
}

// addDetails asks for the details that the settings do not tell: the active connections, the file,
// whether the process that tries a profile is still there, and the device's state and reason unless
// it is active.
func (l *link) addDetails(ctx context.Context, all []found, actives []dbus.ObjectPath) error {
	tunnels := 0
	for _, p := range all {
		if p.Tunnel.Mode != 0 {
			tunnels++
		}
	}
	activity, requests := make(map[dbus.ObjectPath]active), []request(nil)
	for _, path := range actives {
		requests = append(requests, activeRequest(path, func(a active) {
			l.seen.Active(a.path, a.uuid)
			if known, ok := activity[a.profile]; !ok || a.rank() > known.rank() {
				activity[a.profile] = a
			}
		}))
	}
	for i := range all {
		p := &all[i]
		if p.Tunnel.Mode != 0 && !p.filed && (tunnels <= maxDetailed || p.mark != "") {
			requests = append(requests, fileRequest(p))
		}
		if name, ok := l.tester(p.mark); ok {
			requests = append(requests, testerRequest(p, name))
		} else {
			p.Abandoned = p.mark != ""
		}
	}
	if err := l.flight(ctx, requests); err != nil {
		return err
	}
	if err := l.addDevices(ctx, all, activity); err != nil {
		return err
	}
	for i := range all {
		p := &all[i]
		// a profile on disk with a mark is a copy that nobody tries, or belongs to another one
		p.Trial = p.mark != "" && p.Edit == nil && (p.Unsaved || p.With != "" && !l.decided(ctx, p.With, all))
		if !p.Unsaved {
			p.Edit = nil
		}
		p.Abandoned = p.Abandoned && (p.Trial || p.Edit != nil || p.With != "")
	}
	return nil
}

// addDevices sets the states, and asks for the devices of connections on their way up or down.
func (l *link) addDevices(ctx context.Context, all []found, activity map[dbus.ObjectPath]active) error {
	var requests []request
	for i := range all {
		p := &all[i]
		p.setActivity(activity[p.path])
		if p.device != "" {
			requests = append(requests, deviceRequest(p))
		}
	}
	return l.flight(ctx, requests)
}

// decided reports whether a profile is there and not on trial. It is asked for if it is not among
// those that are read.
func (l *link) decided(ctx context.Context, uuid string, all []found) bool {
	for _, p := range all {
		if p.UUID == uuid {
			return p.mark == ""
		}
	}
	_, s, err := l.settingsOf(ctx, uuid)
	return err == nil && s.Mode() != 0 && s.TrialMark() == ""
}

// fileRequest asks for a profile's file, and whether it is saved there.
func fileRequest(p *found) request {
	return request{path: p.path, method: propertiesGetAll, args: []any{gnm.ConnectionInterface}, done: func(body []any, err error) error {
		all := message.Properties(message.Result[map[string]dbus.Variant](body))
		p.Unsaved = message.Value[bool](all, gnm.ConnectionPropertyUnsaved)
		p.Path = fault.Printable(message.Value[string](all, gnm.ConnectionPropertyFilename))
		p.made, p.gone = message.Value[uint32](all, gnm.ConnectionPropertyFlags)&settingsGenerated != 0, refusal.IsGone(err)
		return unlessGone(err)
	}}
}

// deviceRequest asks for a device's state and the reason for it. Both are in one property.
func deviceRequest(p *found) request {
	return propertyRequest(p.device, gnm.DevicePropertyStateReason, func(body []any, err error) error {
		if pair := message.Variant[[]any](body); len(pair) == 2 {
			state, _ := pair[0].(uint32)
			why, _ := pair[1].(uint32)
			p.DeviceState = reason.DeviceState(state)
			if why != gnm.NmDeviceStateReasonNone {
				p.Reason = reason.Device(why)
			}
		}
		return unlessGone(err)
	})
}

// testerRequest asks the bus whether the connection of the process that tries the profile is still
// there.
func testerRequest(p *found, name string) request {
	return request{destination: busName, path: busPath, method: busNameHasOwner, args: []any{name}, done: func(body []any, err error) error {
		p.Abandoned = err == nil && !message.Result[bool](body)
		return err
	}}
}

func sorted(all []found) []nm.Profile {
	profiles := make([]nm.Profile, len(all))
	for i, p := range all {
		profiles[i] = p.Profile
	}
	slices.SortFunc(profiles, func(a, b nm.Profile) int { return cmp.Compare(a.Serial, b.Serial) })
	return profiles
}
