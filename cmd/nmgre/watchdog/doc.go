// Package watchdog is a second process beside a command that changes the host. It notices when the
// command is killed, also by kill -9, and then undoes its unfinished work. It depends on the verbs
// alone.
package watchdog
