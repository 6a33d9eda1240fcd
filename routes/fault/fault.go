package fault

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The kinds of errors that a caller may have to tell apart: [errors.Is] finds one of these in an
// error. An error of none of these kinds is a plain failure, after which everything was undone.
var (
	// ErrInvalid means that the request cannot be carried out as it stands. Nothing was changed.
	ErrInvalid = errors.New("not valid")
	// ErrNotFound means that no tunnel has the given name. It is also an [ErrInvalid].
	ErrNotFound = fmt.Errorf("no such tunnel: %w", ErrInvalid)
	// ErrNotPermitted means that the caller may not do this. Nothing was changed.
	ErrNotPermitted = errors.New("not permitted")
	// ErrNoNetworkManager means that NetworkManager or its bus is not there, does not answer any
	// more, or is older than nmgre needs it.
	ErrNoNetworkManager = errors.New("NetworkManager is not available")
	// ErrUnsupported means that this host's kernel lacks a module or function that the request
	// needs.
	ErrUnsupported = errors.New("not supported by this kernel")
	// ErrTimeout means that something did not happen in the time allowed.
	ErrTimeout = errors.New("timed out")
	// ErrSilent means that NetworkManager or its bus is there, and answers nothing. It is also an
	// [ErrTimeout].
	ErrSilent = fmt.Errorf("no answer: %w", ErrTimeout)
	// ErrExists means that the thing to add is there already.
	ErrExists = errors.New("already exists")
	// ErrNameLost means that somebody else made a tunnel of the same name at the same moment. It is
	// also an [ErrExists]. Nothing is left of the attempt. It can be repeated with another name, or
	// without one.
	ErrNameLost = fmt.Errorf("the name is taken: %w", ErrExists)
	// ErrChanged means that somebody else has changed the same thing since the change was planned.
	// It is also an [ErrInvalid]. Nothing was changed, and the attempt can be repeated.
	ErrChanged = fmt.Errorf("changed meanwhile: %w", ErrInvalid)
	// ErrLeftBehind means that an undo failed too: part of the failed attempt may still be there.
	ErrLeftBehind = errors.New("something may be left behind")
	// ErrCutsOff means that the change may cut off the session that it was typed in. It is also an
	// [ErrInvalid]. Nothing was changed.
	ErrCutsOff = fmt.Errorf("may cut the session off: %w", ErrInvalid)
	// ErrHalfDone means that the tunnel is up or down, as asked, but that not everything could be
	// done that belongs to it. The error says which parts are there and which are missing.
	ErrHalfDone = errors.New("done in part")
	// ErrUnreachable means that the kernel has no route to a destination.
	ErrUnreachable = errors.New("no route")
)

// Error is a failure with a hint for the person who has to mend it. Texts that come from outside
// (the bus, a file, a packet) are escaped with [Printable] before they are put into one.
type Error struct {
	Kind error // one of the kinds above, or nil for a plain failure
	// Field is the flag or form field that is at fault, without dashes ("peer"); empty if there is
	// none.
	Field string
	What  string // the fault, in lower case, with the value
	Hint  string // the right form, or the thing to do; may be empty
	Err   error  // the cause; may be nil
	// Item is the place of the fault in the list that was given, counted from 1; 0 if there is
	// none.
	Item int
	// Line is the line of the fault in the file that was given, counted from 1; 0 if there is none.
	Line int
}

// Error returns "field: line: what: cause". The hint is left for the caller to show on a line of
// its own.
func (e *Error) Error() string {
	var parts []string
	if e.Field != "" {
		parts = append(parts, e.Field)
	}
	if e.Line > 0 {
		parts = append(parts, "line "+strconv.Itoa(e.Line))
	}
	if e.What != "" {
		parts = append(parts, e.What)
	}
	if e.Err != nil {
		if cause := words(e.Err); cause != e.What {
			parts = append(parts, cause)
		}
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives both the kind and the cause to [errors.Is] and [errors.As].
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Hints returns the hints in err's tree, the outermost first, each once.
func Hints(err error) []string {
	var hints []string
	Walk(err, func(e *Error) {
		for _, seen := range hints {
			if seen == e.Hint {
				return
			}
		}
		if e.Hint != "" {
			hints = append(hints, e.Hint)
		}
	})
	return hints
}

// Walk calls visit for each *[Error] in err's tree, depth first.
func Walk(err error, visit func(*Error)) {
	if e, ok := err.(*Error); ok { //nolint:errorlint // the tree is walked by hand: every node is looked at
		visit(e)
	}
	switch u := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		Walk(u.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, inner := range u.Unwrap() {
			Walk(inner, visit)
		}
	}
}

// Split takes apart the errors that [errors.Join] joined, in their order. Any other error is
// returned by itself, and nil is no error.
func Split(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // errors.Join's type has no name; a wrapped one stays whole
	if _, single := err.(*Error); !ok || single {     //nolint:errorlint // the error itself
		return []error{err}
	}
	var errs []error
	for _, inner := range joined.Unwrap() {
		errs = append(errs, Split(inner)...)
	}
	return errs
}

// Different is [Split] without errors whose text was there before: many tunnels may fail for one
// reason.
func Different(err error) []error {
	seen := make(map[string]bool)
	return slices.DeleteFunc(Split(err), func(one error) bool {
		text := one.Error()
		defer func() { seen[text] = true }()
		return seen[text]
	})
}

// Invalid returns an [ErrInvalid] about a field of a request. The hint shows the right form.
func Invalid(field, hint, format string, args ...any) *Error {
	return &Error{Kind: ErrInvalid, Field: field, What: fmt.Sprintf(format, args...), Hint: hint}
}
