// Package adopt decides how a tunnel that somebody made by hand becomes a profile: what of it the
// profile and root's file hold, what stays as it is, and what nmgre cannot hold. It takes the
// tunnel over through the doors of [nm.System], and restores it if that fails.
//
// It imports the standard library and pure rooms only. Begin with [Plan].
package adopt
