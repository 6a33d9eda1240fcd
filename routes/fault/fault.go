package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What went wrong, as far as a caller has to tell the cases apart: [errors.Is] finds one of these
// in every error that a [Host] returns. Whatever is none of them has failed, and has been undone.
var (
	// ErrInvalid says that the request cannot be carried out as it stands. Nothing was changed.
	ErrInvalid = errors.New("not valid")
	// ErrNotFound says that no tunnel has the name asked for. It is also an [ErrInvalid].
	ErrNotFound = fmt.Errorf("no such tunnel: %w", ErrInvalid)
	// ErrNotPermitted says that the caller may not do this. Nothing was changed.
	ErrNotPermitted = errors.New("not permitted")
	// ErrNoNetworkManager says that NetworkManager (or its bus) is not there, stopped answering, or
	// is older than [MinVersion].
	ErrNoNetworkManager = errors.New("NetworkManager is not available")
	// ErrUnsupported says that this host's kernel lacks what the request needs.
	ErrUnsupported = errors.New("not supported by this kernel")
	// ErrTimeout says that something did not happen in the time allowed.
	ErrTimeout = errors.New("timed out")
	// ErrExists says that what should be added is there already.
	ErrExists = errors.New("already exists")
	// ErrNameLost says that somebody else made a tunnel of the same name at the same moment. It is
	// also an [ErrExists]. Nothing is left of the attempt; with another name, or none, it can be
	// repeated.
	ErrNameLost = fmt.Errorf("the name is taken: %w", ErrExists)
	// ErrChanged says that somebody else has changed the same thing meanwhile: it is not any more
	// what the change was planned for. It is also an [ErrInvalid]. Nothing was changed; it can be
	// tried again.
	ErrChanged = fmt.Errorf("changed meanwhile: %w", ErrInvalid)
	// ErrLeftBehind says that something of what failed may be there still.
	ErrLeftBehind = errors.New("something may be left behind")
	// ErrUnreachable says that the kernel has no route to a destination.
	ErrUnreachable = errors.New("no route")
)

// Error is a failure with what a person can do about it. Kind is one of the sentinels above, or nil
// for a plain failure. Texts that come from outside (the bus, a file, a packet) are escaped with
// [Printable] before they are put into one.
type Error struct {
	Kind error
	// the flag or form field that is at fault, without dashes ("peer"); empty when it is none
	Field string
	What  string // what was wrong, in lower case, with the value
	Hint  string // what would be right, or what to do; may be empty
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
		parts = append(parts, e.Err.Error())
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

// Hints collects the hints in err's tree, outermost first, each once.
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

// Walk calls visit for each *Error in err's tree, depth first.
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

// Invalid makes the error for a field of a request. The hint says what would be right.
func Invalid(field, hint, format string, args ...any) *Error {
	return &Error{Kind: ErrInvalid, Field: field, What: fmt.Sprintf(format, args...), Hint: hint}
}
