package dbus

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/failure"
	"nmgre/routes/fault"
)

func TestErrorsOfTheConnection(t *testing.T) {
	for _, c := range []struct{ err, kind error }{
		{io.EOF, fault.ErrNoNetworkManager}, {dbus.ErrClosed, fault.ErrNoNetworkManager}, {errLost, fault.ErrNoNetworkManager},
		{context.DeadlineExceeded, fault.ErrTimeout}, {context.Canceled, context.Canceled}, {(&link{}).notFound("x"), fault.ErrNotFound},
	} {
		if got := failure.Of("do it", c.err); !errors.Is(got, c.kind) {
			t.Errorf("%v: got %v", c.err, got)
		}
	}
	if err := failure.Of("do it", dbus.FormatError("input has a not-utf8 char in string")); errors.Is(err, fault.ErrNoNetworkManager) {
		t.Errorf("got %v", err)
	}
	if failure.Of("do it", nil) != nil {
		t.Error("no error is one")
	}
}
