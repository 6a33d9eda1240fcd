// Package dbus is NetworkManager over D-Bus: it implements [nm.Profiles].
//
// A [Client] holds one private connection to the bus and nothing else. Each method looks up the
// objects that it needs by the profile's UUID, because object paths change when NetworkManager
// restarts, and dials anew when the connection was lost. Package wire translates between a tunnel
// and the settings that NetworkManager keeps, package bulk reads the settings of very many
// profiles, package reason has words for its numbers, and package dbustest has a bus with a
// NetworkManager for tests.
//
// No call waits for ever: patience.go bounds how long NetworkManager and the bus may be silent.
//
// Package quirk is the table of the differences between NetworkManager's versions.
//
// Names, enumerations and constants are gonetworkmanager's. The calls go through godbus, since
// those of gonetworkmanager take no context.
//
// A profile on trial carries a mark in its user data that names the process that tries it: the
// unique name of its connection, and the bus that gave it. When that name has no owner any more,
// the trial is abandoned, however the process ended.
//
// Begin with [Connect], then flight.go, which makes the calls, and watch.go, which waits for
// signals.
package dbus
