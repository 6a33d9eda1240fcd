// Package journal writes a line to the system's log for each change that root's processes make for
// others: the helper, and the dispatcher's hook. A line names who asked, the change, and how it
// ended.
//
// It speaks to systemd's journal by its own socket, and where there is none to syslog's. It never
// waits long, and a host without either is no error. Begin at [Entry].
package journal
