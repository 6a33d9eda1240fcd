// Package form is a small form on a terminal: fields to type in, choices and toggles, with a note
// and an error at each. Errors never keep the person from moving to another field.
//
// It knows nothing of tunnels. Begin with field.go.
package form
