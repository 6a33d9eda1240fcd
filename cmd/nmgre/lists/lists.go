// Package lists reads the files of routes and rules that a command line names, with the names of
// tables that this host has.
//
// Begin with [Reader].
package lists

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/list"
	"nmgre/routes/rule"
)

// Reader reads files, or standard input.
type Reader struct {
	Root  string            // the folder that holds /etc and /usr; "/" outside tests
	Stdin io.Reader         // in the place of the file "-"
	Warn  func(what string) // is told of names that cannot be read

	names   *routes.Names // once they are read
	expects bool
}

// Names returns the names for tables and the like in iproute2's files on this host. It reads them
// once, warns of files that cannot be read, and leaves their names out.
func (r *Reader) Names() routes.Names {
	if r.names == nil {
		names, err := routes.ReadNames(os.DirFS(r.Root))
		if err != nil {
			r.Warn(fmt.Sprintf("cannot read iproute2's names: %v", err))
		}
		r.names = &names
	}
	return *r.names
}

// maxBytes bounds how much is read from a file.
const maxBytes = 256 << 20

// Routes reads the routes of a file. Errors are [fault.ErrInvalid], for the field "routes-from" or
// the routes.
func (r *Reader) Routes(name string) (list.List, error) {
	text, err := r.read(name, "route")
	if err != nil {
		return list.List{}, err
	}
	all, err := list.ParseWith(r.Names(), bytes.NewReader(text))
	if err == nil && len(all.Routes) == 0 {
		err = none(name, "route")
	}
	return all, err
}

// Rules reads the rules of a file. Errors are [fault.ErrInvalid], for the field "rules-from" or the
// rules.
func (r *Reader) Rules(name string) ([]rule.Rule, error) {
	text, err := r.read(name, "rule")
	if err != nil {
		return nil, err
	}
	all, err := list.ParseRules(r.Names(), bytes.NewReader(text))
	if err == nil && len(all) == 0 {
		err = none(name, "rule")
	}
	return all, err
}

// read reads a file of routes, or of rules.
func (r *Reader) read(name, what string) ([]byte, error) {
	if !r.expects {
		r.expects = true
		Expect()
	}
	in := r.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, unreadable(what, err)
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxBytes))
	if err != nil {
		return nil, unreadable(what, err)
	}
	return text, nil
}

func unreadable(what string, err error) error {
	return fault.Invalid(what+"s-from", "give a file with one "+what+" per line, or - for standard input", "%s", fault.Printable(err.Error()))
}

func none(name, what string) error {
	return fault.Invalid(what+"s-from", "write one "+what+" per line", "%s has no %ss", fault.Printable(name), what)
}

// ample is how much more than usual the memory may grow before garbage is first collected, in
// percent of the 4 MB that Go begins with.
const ample = 400

// Expect prepares a process for a list: it is called once. With a few thousand lines a command
// is done before it collects garbage, which would take a quarter of its time. From the first
// collection on, at 16 MB, memory grows as usual.
func Expect() {
	if os.Getenv("GOGC") != "" || debug.SetGCPercent(ample) == ample {
		return
	}
	runtime.AddCleanup(new([64]byte), func(int) {
		if before := debug.SetGCPercent(100); before != ample {
			debug.SetGCPercent(before)
		}
	}, 0)
}

// ExpectKept prepares a process for a list that root keeps, as [Expect] does. From now on the
// kernel also gives it memory page by page: ten thousand routes take a few megabytes, and huge
// pages of 2 MB would make that a third more.
func ExpectKept() {
	Expect()
	const setNoHugePages = 41 // PR_SET_THP_DISABLE of linux/prctl.h
	// it only saves memory, so that a kernel without it does no harm
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, setNoHugePages, 1, 0, 0, 0, 0)
}
