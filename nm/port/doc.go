// Package port finds the bridge whose port a tunnel is to be. It is pure: its callers read the
// host.
//
// It may import nm and the pure packages of routes. Begin with [Resolve].
package port
