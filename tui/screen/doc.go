// Package screen is about the screens over the main view: a [Screen] has keys and draws itself.
//
// It may import tui/draw and Bubble Tea.
package screen
