// Package bulk reads the settings of many NetworkManager profiles at once, over a connection of its
// own.
//
// NetworkManager has no call for that: each profile is a call and an answer. godbus reads an answer
// by reflection, and a call costs it a goroutine. For a thousand profiles that takes as long as
// NetworkManager itself. This package writes the calls as bytes, many at a time, and reads the
// answers by hand. It knows one method (GetSettings), one transport (a Unix socket) and the types
// of values that profiles have. Everything else is an [ErrUnknown], and the caller asks again by
// godbus.
//
// Begin with [Read].
package bulk
