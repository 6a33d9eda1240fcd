// Package store is root's own files: the part of each tunnel that NetworkManager cannot
// hold, the state of forwarding that devices had before nmgre changed it, and the hook by which
// NetworkManager's dispatcher calls nmgre. It implements [keep.Store].
//
// A file counts only if nobody but root can have written it: it is regular, owned by root, and not
// writable by group or others, and so are the folders that it is in. Every read has a bound. Every
// write goes to a new file, which then replaces the old one. Whoever writes holds the lock.
//
// Begin at [Store]; files.go reads and writes, hook.go and script.go are the hook.
package store
