package output

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"

	"nmgre/routes/fault"
)

// Data is standard output. It remembers the first write that failed, such as one to a full disk: a
// command whose data got lost has failed, whoever of its parts has not looked at the error.
type Data struct {
	To io.Writer
	// failed has the first error. The one who waits for a slow reader no longer may look at it.
	failed atomic.Pointer[error]
}

// ErrUnread is the end of a command whose reader has gone, as head(1) goes when it has enough.
var ErrUnread = errors.New("nobody reads the output any more")

// Write implements [io.Writer]. Behind a write that has failed it writes nothing.
func (d *Data) Write(b []byte) (n int, err error) {
	if err := d.lost(); err != nil {
		return 0, err
	}
	if n, err = d.To.Write(b); err != nil {
		d.failed.Store(&err)
	}
	return n, err
}

// lost is the error of the first write that has failed, or nil.
func (d *Data) lost() error {
	if err := d.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Whole returns err, with which a command has ended, or an error that says that data got lost. An
// error of another kind counts more than the loss, but finding does not: it is no failure.
func (d *Data) Whole(err, finding error) error {
	lost := d.lost()
	switch {
	case lost == nil, err != nil && !errors.Is(err, finding) && !errors.Is(err, lost):
		return err
	case errors.Is(lost, syscall.EPIPE):
		return ErrUnread
	}
	return &fault.Error{What: "not all of the output could be written", Err: lost, Hint: "make room for it, or write it elsewhere; what is changed already: nmgre list"}
}
