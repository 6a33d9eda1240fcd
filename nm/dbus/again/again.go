// Package again repeats the requests that NetworkManager refused only because it did not learn in
// time who asks. It asks the bus for the caller's user, and gives it two seconds; on a busy machine
// the bus may need longer. NetworkManager then says that the caller lacks permission, although it
// has begun nothing (get_caller_info in NetworkManager's nm-dbus-manager.c).
package again

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/routes/fault"
)

// pause is from one try to the next.
const pause = 100 * time.Millisecond

// words are NetworkManager's for a caller whose user it does not know, in each of its versions.
var words = []string{"Unable to determine request UID", "Unable to determine UID of"}

// Unknown reports whether err is NetworkManager's refusal of a caller whose user it does not know.
func Unknown(err error) bool {
	var remote dbus.Error
	if pointer := (*dbus.Error)(nil); errors.As(err, &pointer) && pointer != nil {
		remote = *pointer
	} else if !errors.As(err, &remote) {
		return false
	}
	if !strings.HasSuffix(remote.Name, ".PermissionDenied") {
		return false
	}
	for _, w := range words {
		if strings.Contains(remote.Error(), w) {
			return true
		}
	}
	return false
}

// Call makes a request again and again, until its answer is another one or ctx has ended. It
// returns the last answer.
func Call(ctx context.Context, request func() *dbus.Call) *dbus.Call {
	call := request()
	for Wanted(ctx, call.Err) {
		call = request()
	}
	return call
}

// Wanted reports whether a request that ended with err is to be made again, after a pause. Once ctx
// has ended it is not.
func Wanted(ctx context.Context, err error) bool {
	if !Unknown(err) {
		return false
	}
	fault.Pause(ctx, pause)
	return ctx.Err() == nil
}
