// Package reason has words for the numbers by which NetworkManager tells the states of devices, and
// the reasons for the states of devices and connections.
package reason

import (
	"fmt"
	"sync"

	gnm "github.com/Wifx/gonetworkmanager/v2"
)

// The words below are for NetworkManager's numbers. They follow its own documentation
// (NMDeviceState, NMDeviceStateReason and NMActiveConnectionStateReason of nm-dbus-interface.h, as
// of 1.58). gonetworkmanager has no texts for the reasons, and its numbers end with those of 1.22.

// deviceStates are nmcli's words for the states of a device.
var deviceStates = sync.OnceValue(func() map[gnm.NmDeviceState]string {
	return map[gnm.NmDeviceState]string{
		gnm.NmDeviceStateUnknown:      "unknown",
		gnm.NmDeviceStateUnmanaged:    "unmanaged",
		gnm.NmDeviceStateUnavailable:  "unavailable",
		gnm.NmDeviceStateDisconnected: "disconnected",
		gnm.NmDeviceStatePrepare:      "prepare",
		gnm.NmDeviceStateConfig:       "config",
		gnm.NmDeviceStateNeedAuth:     "need-auth",
		gnm.NmDeviceStateIpConfig:     "ip-config",
		gnm.NmDeviceStateIpCheck:      "ip-check",
		gnm.NmDeviceStateSecondaries:  "secondaries",
		gnm.NmDeviceStateActivated:    "activated",
		gnm.NmDeviceStateDeactivating: "deactivating",
		gnm.NmDeviceStateFailed:       "failed",
	}
})

// DeviceState returns the words for any state of a device, also one that is not known here.
func DeviceState(state uint32) string {
	if words, ok := deviceStates()[gnm.NmDeviceState(state)]; ok {
		return words
	}
	return fmt.Sprintf("state %d", state)
}

// activeReasons are the words for the reasons of a connection's state. They follow "could not bring
// it up: ".
var activeReasons = [...]string{
	gnm.NmActiveConnectionStateReasonUnknown:             "for a reason it does not know",
	gnm.NmActiveConnectionStateReasonNone:                "for no reason given",
	gnm.NmActiveConnectionStateReasonUserDisconnected:    "a user disconnected it",
	gnm.NmActiveConnectionStateReasonDeviceDisconnected:  "its device was disconnected",
	gnm.NmActiveConnectionStateReasonServiceStopped:      "its VPN service stopped",
	gnm.NmActiveConnectionStateReasonIpConfigInvalid:     "its IP configuration is not valid",
	gnm.NmActiveConnectionStateReasonConnectTimeout:      "the connection attempt timed out",
	gnm.NmActiveConnectionStateReasonServiceStartTimeout: "its VPN service did not start in time",
	gnm.NmActiveConnectionStateReasonServiceStartFailed:  "its VPN service did not start",
	gnm.NmActiveConnectionStateReasonNoSecrets:           "secrets were required and not given",
	gnm.NmActiveConnectionStateReasonLoginFailed:         "the login failed",
	gnm.NmActiveConnectionStateReasonConnectionRemoved:   "the profile was deleted",
	gnm.NmActiveConnectionStateReasonDependencyFailed:    "the connection that it depends on failed",
	gnm.NmActiveConnectionStateReasonDeviceRealizeFailed: "the kernel refused to make the device",
	gnm.NmActiveConnectionStateReasonDeviceRemoved:       "the device that it depends on disappeared",
}

// Active returns the words for any reason of a connection's state, also one that is not known here.
func Active(reason uint32) string {
	if int(reason) < len(activeReasons) {
		return activeReasons[reason]
	}
	return fmt.Sprintf("reason %d", reason)
}

// deviceReasons are the words for the reasons of a device's state. gonetworkmanager lacks names for
// the numbers from 68 on.
var deviceReasons = [...]string{
	gnm.NmDeviceStateReasonNone:                        "no reason given",
	gnm.NmDeviceStateReasonUnknown:                     "unknown error",
	gnm.NmDeviceStateReasonNowManaged:                  "device is now managed",
	gnm.NmDeviceStateReasonNowUnmanaged:                "device is now unmanaged",
	gnm.NmDeviceStateReasonConfigFailed:                "the device could not be readied for configuration",
	gnm.NmDeviceStateReasonIpConfigUnavailable:         "IP configuration could not be reserved",
	gnm.NmDeviceStateReasonIpConfigExpired:             "the IP configuration is no longer valid",
	gnm.NmDeviceStateReasonNoSecrets:                   "secrets were required, but not provided",
	gnm.NmDeviceStateReasonSupplicantDisconnect:        "802.1X supplicant disconnected",
	gnm.NmDeviceStateReasonSupplicantConfigFailed:      "802.1X supplicant configuration failed",
	gnm.NmDeviceStateReasonSupplicantFailed:            "802.1X supplicant failed",
	gnm.NmDeviceStateReasonSupplicantTimeout:           "802.1X supplicant took too long to authenticate",
	gnm.NmDeviceStateReasonPppStartFailed:              "PPP service failed to start",
	gnm.NmDeviceStateReasonPppDisconnect:               "PPP service disconnected",
	gnm.NmDeviceStateReasonPppFailed:                   "PPP failed",
	gnm.NmDeviceStateReasonDhcpStartFailed:             "DHCP client failed to start",
	gnm.NmDeviceStateReasonDhcpError:                   "DHCP client error",
	gnm.NmDeviceStateReasonDhcpFailed:                  "DHCP client failed",
	gnm.NmDeviceStateReasonSharedStartFailed:           "shared connection service failed to start",
	gnm.NmDeviceStateReasonSharedFailed:                "shared connection service failed",
	gnm.NmDeviceStateReasonAutoipStartFailed:           "AutoIP service failed to start",
	gnm.NmDeviceStateReasonAutoipError:                 "AutoIP service error",
	gnm.NmDeviceStateReasonAutoipFailed:                "AutoIP service failed",
	gnm.NmDeviceStateReasonModemBusy:                   "modem busy",
	gnm.NmDeviceStateReasonModemNoDialTone:             "no dial tone",
	gnm.NmDeviceStateReasonModemNoCarrier:              "no carrier",
	gnm.NmDeviceStateReasonModemDialTimeout:            "the dialing request timed out",
	gnm.NmDeviceStateReasonModemDialFailed:             "the dialing attempt failed",
	gnm.NmDeviceStateReasonModemInitFailed:             "modem initialization failed",
	gnm.NmDeviceStateReasonGsmApnFailed:                "the specified APN failed",
	gnm.NmDeviceStateReasonGsmRegistrationNotSearching: "not searching for networks",
	gnm.NmDeviceStateReasonGsmRegistrationDenied:       "network registration denied",
	gnm.NmDeviceStateReasonGsmRegistrationTimeout:      "network registration timed out",
	gnm.NmDeviceStateReasonGsmRegistrationFailed:       "network registration failed",
	gnm.NmDeviceStateReasonGsmPinCheckFailed:           "PIN check failed",
	gnm.NmDeviceStateReasonFirmwareMissing:             "firmware missing",
	gnm.NmDeviceStateReasonRemoved:                     "the device was removed",
	gnm.NmDeviceStateReasonSleeping:                    "NetworkManager went to sleep",
	gnm.NmDeviceStateReasonConnectionRemoved:           "the device's connection disappeared",
	gnm.NmDeviceStateReasonUserRequested:               "disconnected by user or client",
	gnm.NmDeviceStateReasonCarrier:                     "carrier changed",
	gnm.NmDeviceStateReasonConnectionAssumed:           "the device's existing connection was assumed",
	gnm.NmDeviceStateReasonSupplicantAvailable:         "the supplicant is now available",
	gnm.NmDeviceStateReasonModemNotFound:               "modem not found",
	gnm.NmDeviceStateReasonBtFailed:                    "the Bluetooth connection failed",
	gnm.NmDeviceStateReasonGsmSimNotInserted:           "SIM card not inserted",
	gnm.NmDeviceStateReasonGsmSimPinRequired:           "SIM PIN required",
	gnm.NmDeviceStateReasonGsmSimPukRequired:           "SIM PUK required",
	gnm.NmDeviceStateReasonGsmSimWrong:                 "wrong SIM",
	gnm.NmDeviceStateReasonInfinibandMode:              "InfiniBand device does not support connected mode",
	gnm.NmDeviceStateReasonDependencyFailed:            "a dependency of the connection failed",
	gnm.NmDeviceStateReasonBr2684Failed:                "RFC 2684 Ethernet over ADSL bridge failed",
	gnm.NmDeviceStateReasonModemManagerUnavailable:     "ModemManager not running",
	gnm.NmDeviceStateReasonSsidNotFound:                "the Wi-Fi network could not be found",
	gnm.NmDeviceStateReasonSecondaryConnectionFailed:   "a secondary connection failed",
	gnm.NmDeviceStateReasonDcbFcoeFailed:               "DCB or FCoE setup failed",
	gnm.NmDeviceStateReasonTeamdControlFailed:          "teamd control failed",
	gnm.NmDeviceStateReasonModemFailed:                 "modem failed",
	gnm.NmDeviceStateReasonModemAvailable:              "modem available",
	gnm.NmDeviceStateReasonSimPinIncorrect:             "SIM PIN was incorrect",
	gnm.NmDeviceStateReasonNewActivation:               "new activation",
	gnm.NmDeviceStateReasonParentChanged:               "the device's parent changed",
	gnm.NmDeviceStateReasonParentManagedChanged:        "the parent's management changed",
	gnm.NmDeviceStateReasonOvsdbFailed:                 "Open vSwitch database failed",
	gnm.NmDeviceStateReasonIpAddressDuplicate:          "a duplicate IP address was detected",
	gnm.NmDeviceStateReasonIpMethodUnsupported:         "the selected IP method is not supported",
	gnm.NmDeviceStateReasonSriovConfigurationFailed:    "configuration of SR-IOV parameters failed",
	gnm.NmDeviceStateReasonPeerNotFound:                "the Wi-Fi P2P peer could not be found",
	68:                                                 "the device handler dispatcher failed",
	69:                                                 "unmanaged by default",
	70:                                                 "unmanaged while the link is down",
	71:                                                 "unmanaged until the link is initialized",
	72:                                                 "unmanaged because NetworkManager is quitting",
	73:                                                 "unmanaged because networking is disabled or the system suspended",
	74:                                                 "unmanaged by user decision in NetworkManager.conf",
	75:                                                 "unmanaged by explicit user decision",
	76:                                                 "unmanaged by user decision in settings plugin",
	77:                                                 "unmanaged by udev rule",
	78:                                                 "networking was disabled",
	79:                                                 "modem has no operator code",
}

// Device returns the words for any reason, also one that is not known here.
func Device(reason uint32) string {
	if int(reason) < len(deviceReasons) {
		return deviceReasons[reason]
	}
	return fmt.Sprintf("reason %d", reason)
}
