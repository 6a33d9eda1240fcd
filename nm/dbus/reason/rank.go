package reason

import gnm "github.com/Wifx/gonetworkmanager/v2"

// Rank orders the active connections of one profile by their states. There can be two, while one
// replaces the other.
func Rank(state gnm.NmActiveConnectionState) int {
	switch state {
	case gnm.NmActiveConnectionStateActivated:
		return 3
	case gnm.NmActiveConnectionStateActivating:
		return 2
	case gnm.NmActiveConnectionStateDeactivating:
		return 1
	default:
		return 0
	}
}
