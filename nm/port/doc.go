// Package port finds the bridge whose port a tunnel is to be. It is pure: its callers read the
// host.
//
// Begin with [Resolve].
package port
