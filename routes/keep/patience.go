package keep

import (
	"strings"
	"time"
)

const (
	// preUpPatience is short because NetworkManager holds an activation for the hook. The steps for
	// which it is too short are done at the event up, which follows.
	preUpPatience = 2 * time.Second
	// The dispatcher calls its scripts one after the other: the next pre-up waits for this event.
	eventPatience = 10 * time.Second
)

// PatienceAt returns the [LocalKeeper.Patience] of the hook at an event of NetworkManager's
// dispatcher, such as "pre-up".
func PatienceAt(event string) time.Duration {
	if event == "pre-up" {
		return preUpPatience
	}
	return eventPatience
}

// IsLeaving reports whether an event of the dispatcher is about a connection that goes down: down,
// pre-down or vpn-down.
func IsLeaving(event string) bool { return strings.HasSuffix(event, "down") }
