package keep

import "time"

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
