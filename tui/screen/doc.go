// Package screen is about the screens over the main view: a [Screen] has keys and draws itself.
package screen
