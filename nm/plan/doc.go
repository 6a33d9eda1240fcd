// Package plan decides every step of a new tunnel, of an edit, and of a change of routes, before
// any step is taken. It reads the host and changes nothing on it.
//
// Begin with [Create] and the [Plan] that it returns; [Edit] and [Routes] are the two others.
package plan
