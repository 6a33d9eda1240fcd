// Package wizard is the screen that makes a tunnel, or changes one: the pages with the answers, the
// preview, the making, and the commands for the far end.
//
// It knows the program around it by the interface [Shell] alone, and never imports tui. Begin with
// wizard.go.
package wizard
