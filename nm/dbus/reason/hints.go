package reason

import (
	"slices"
	"sync"

	gnm "github.com/Wifx/gonetworkmanager/v2"
)

// activeHints are for the reasons of a connection's state that a person can do something about.
var activeHints = sync.OnceValue(func() map[uint32]string {
	return map[uint32]string{
		gnm.NmActiveConnectionStateReasonDeviceRealizeFailed: "the kernel may lack GRE (modprobe ip_gre), or have a device of that name or a tunnel with the same local, remote and key (ip -d link)",
		gnm.NmActiveConnectionStateReasonDependencyFailed:    "first bring up the parent device, or the bridge that the tunnel is a port of",
		gnm.NmActiveConnectionStateReasonDeviceRemoved:       "somebody deleted the device or its parent while it came up; try again",
		gnm.NmActiveConnectionStateReasonConnectionRemoved:   "somebody deleted the profile while it came up",
		gnm.NmActiveConnectionStateReasonUserDisconnected:    "somebody took the tunnel down while it came up; try again",
		gnm.NmActiveConnectionStateReasonIpConfigInvalid:     "check the tunnel's addresses and routes: each gateway must be in the network of one of the addresses",
	}
})

// parentHint is for all reasons by which a parent device takes its tunnel down.
const parentHint = "the parent device must stay up: ip link"

// deviceHints are for the reasons of a device's state that a person can do something about.
var deviceHints = sync.OnceValue(func() map[uint32]string {
	return map[uint32]string{
		uint32(gnm.NmDeviceStateReasonIpAddressDuplicate):   "another host has the inner address already",
		uint32(gnm.NmDeviceStateReasonParentChanged):        parentHint,
		uint32(gnm.NmDeviceStateReasonParentManagedChanged): parentHint,
		uint32(gnm.NmDeviceStateReasonDependencyFailed):     parentHint,
		uint32(gnm.NmDeviceStateReasonIpConfigUnavailable):  "the addresses or routes could not be set",
	}
})

// Hints returns the remedies for an activation that failed, by the reason of the connection and
// that of its device. It may return nothing.
func Hints(active, device uint32) []string {
	return slices.DeleteFunc([]string{activeHints()[active], deviceHints()[device]}, func(hint string) bool { return hint == "" })
}
