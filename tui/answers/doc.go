// Package answers is the forms that say everything about a tunnel, and the tunnel that is read from
// them. The wizard shows them as pages, and nmgre --plain asks for them line by line.
//
// It calls nothing and draws nothing: the host's interfaces and the way to the far end are handed
// in. Begin with answers.go; fields.go has the fields, tunnel.go reads them.
package answers
