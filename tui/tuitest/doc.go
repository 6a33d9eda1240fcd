// Package tuitest is a host that lives in memory, for the tests of the screens: they run in
// seconds, without NetworkManager and without a terminal.
package tuitest
