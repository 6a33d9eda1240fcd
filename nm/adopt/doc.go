// Package adopt decides how a tunnel that somebody made by hand becomes a profile: which parts the
// profile and root's file get, which stay as they are, and which nmgre cannot hold. It takes the
// tunnel over through the doors of [nm.System], and undoes that if it fails.
//
// Begin with [Plan].
package adopt
