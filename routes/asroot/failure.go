package asroot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"nmgre/routes/fault"
)

// Bounds of an error in a message.
const (
	maxDepth  = 8
	maxCauses = 100
)

// failureJSON is an error. One that has only causes stands for joined errors.
type failureJSON struct {
	Kind   string        `json:"kind,omitempty"`
	Field  string        `json:"field,omitempty"`
	What   string        `json:"what,omitempty"`
	Hint   string        `json:"hint,omitempty"`
	Item   int           `json:"item,omitempty"`
	Causes []failureJSON `json:"causes,omitempty"`
}

// kinds are the errors that callers tell apart, with their names in a message. An error that is
// also another one comes before that one.
var kinds = []struct {
	name string
	kind error
}{
	{"left-behind", fault.ErrLeftBehind},
	{"name-lost", fault.ErrNameLost},
	{"not-found", fault.ErrNotFound},
	{"not-permitted", fault.ErrNotPermitted},
	{"no-networkmanager", fault.ErrNoNetworkManager},
	{"unsupported", fault.ErrUnsupported},
	{"timeout", fault.ErrTimeout},
	{"changed", fault.ErrChanged},
	{"exists", fault.ErrExists},
	{"unreachable", fault.ErrUnreachable},
	{"invalid", fault.ErrInvalid},
	{"canceled", context.Canceled},
	{"deadline", context.DeadlineExceeded},
}

func kindName(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return k.name
		}
	}
	return ""
}

// encodeError encodes an error: a *fault.Error with all its fields, others by their text.
func encodeError(err error, depth int) failureJSON {
	if own, ok := err.(*fault.Error); ok && depth < maxDepth { //nolint:errorlint // the tree is walked by hand, node by node
		f := failureJSON{Kind: kindName(own.Kind), Field: own.Field, What: own.What, Hint: own.Hint, Item: own.Item}
		if own.Err != nil {
			f.Causes = []failureJSON{encodeError(own.Err, depth+1)}
		}
		return f
	}
	if list := joined(err); len(list) > 0 && depth < maxDepth {
		var f failureJSON
		for _, one := range list[:min(len(list), maxCauses)] {
			f.Causes = append(f.Causes, encodeError(one, depth+1))
		}
		return f
	}
	return failureJSON{Kind: kindName(err), What: err.Error(), Hint: strings.Join(fault.Hints(err), "; ")}
}

// joined returns the errors in the result of errors.Join; nil for another error.
func joined(err error) []error {
	list, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // errors.Join's own type has no name
	if !ok || err.Error() != errors.Join(list.Unwrap()...).Error() {
		return nil
	}
	return list.Unwrap()
}

// err decodes an error. Its texts are printable.
func (f failureJSON) err() error {
	var causes []error
	for _, cause := range f.Causes {
		causes = append(causes, cause.err())
	}
	if f.Kind == "" && f.Field == "" && f.What == "" && f.Hint == "" {
		return errors.Join(causes...)
	}
	e := &fault.Error{Field: fault.Printable(f.Field), What: fault.Printable(f.What), Hint: fault.Printable(f.Hint), Item: f.Item}
	for _, k := range kinds {
		if k.name != f.Kind {
			continue
		}
		if e.Kind = k.kind; len(causes) == 0 && f.Field == "" && f.Hint == "" && f.What == k.kind.Error() {
			return k.kind // as it was: an error around the end of a context has words of its own for it
		}
	}
	if len(causes) == 1 {
		e.Err = causes[0]
	} else if len(causes) > 1 {
		e.Err = errors.Join(causes...)
	}
	return e
}

// check refuses errors that encodeError cannot make.
func (f failureJSON) check(depth int) error {
	known := f.Kind == ""
	for _, k := range kinds {
		known = known || k.name == f.Kind
	}
	switch {
	case !known:
		return fmt.Errorf("there is no error of the kind \"%.40s\"", fault.Printable(f.Kind))
	case depth > maxDepth || len(f.Causes) > maxCauses:
		return errors.New("an error has too many causes")
	case f.Kind == "" && f.Field == "" && f.What == "" && len(f.Causes) == 0:
		return errors.New("an error says nothing")
	}
	for _, cause := range f.Causes {
		if err := cause.check(depth + 1); err != nil {
			return err
		}
	}
	return nil
}
