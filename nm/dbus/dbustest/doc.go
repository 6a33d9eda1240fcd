// Package dbustest is a message bus with a NetworkManager on it, inside a test. It serves the tests
// of package dbus, and those of the whole program with DBUS_SYSTEM_BUS_ADDRESS set to
// [Bus.Address]. There is no kernel behind it. It records every call, and fails in the ways of a
// real one when told to.
//
// The file tunnels.go has profiles and tunnels for tests, attributes.go routes with every attribute
// that a profile can hold. Begin with [Start].
package dbustest
