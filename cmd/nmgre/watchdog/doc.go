// Package watchdog is a second process beside a command that changes the host. It notices when the
// command is killed, also by kill -9, and then undoes what the command has not finished. It depends
// on the verbs alone.
package watchdog
