package netlink

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/netlink/wire"
)

// noDevice is the error for the name of a device that there is none of.
func noDevice(name string, cause error) error {
	return &fault.Error{
		Kind: fault.ErrInvalid, What: `there is no network device "` + fault.Printable(name) + `"`,
		Hint: "`ip link` lists the devices; a tunnel's is there while its profile is up", Err: cause,
	}
}

// kernelError is the kernel's answer to a request: an errno, and what it said about it (the
// extended acknowledgement).
type kernelError struct {
	errno unix.Errno
	words string
}

func (e kernelError) Error() string { return e.words }

func (e kernelError) Unwrap() error { return e.errno }

// kernelAnswer finds the kernel's answer in an error of the library, which joins the two as "errno:
// words".
func kernelAnswer(err error) (kernelError, bool) {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return kernelError{}, false
	}
	words, found := strings.CutPrefix(err.Error(), errno.Error()+": ")
	if !found || words == "" {
		words = errno.Error()
	}
	return kernelError{errno: errno, words: fault.Printable(words)}, true
}

// kinds are what errnos mean when the kernel answers a change of routes with them. Others are plain
// failures.
var kinds = map[unix.Errno]error{
	unix.EEXIST: fault.ErrExists, unix.EPERM: fault.ErrNotPermitted,
	unix.EINVAL: fault.ErrInvalid, unix.ENETUNREACH: fault.ErrInvalid, unix.EHOSTUNREACH: fault.ErrInvalid, unix.ENODEV: fault.ErrInvalid,
	unix.EAFNOSUPPORT: fault.ErrUnsupported, unix.EOPNOTSUPP: fault.ErrUnsupported,
}

const gatewayHint = "the gateway must be on a network of the device (see `ip address`); `onlink` takes it for reachable all the same"

// hint says what would help: by the kernel's words, or else by the errno.
func (e kernelError) hint() string {
	for _, h := range []struct{ word, hint string }{
		{"prefsrc", "the source address (src) must be an address of this host"},
		{"source address", "the source address (src) must be an address of this host"},
		{"multipath API", "give every nexthop a gateway (via)"},
		{"congestion", "`sysctl net.ipv4.tcp_available_congestion_control` lists what there is; `modprobe tcp_NAME` may bring another"},
		{"Nexthop id", "`ip nexthop` lists the nexthop objects; add it there first"},
		{"ncapsulation type", "this kernel lacks the encap, or has it in a module that is not loaded: for mpls try `modprobe mpls_iptunnel`"},
		{"gateway", gatewayHint},
	} {
		if strings.Contains(e.words, h.word) {
			return h.hint
		}
	}
	switch e.errno {
	case unix.EEXIST:
		return "there is a route with this destination, metric and table already; replace it, or give another metric"
	case unix.EPERM:
		return "changing routes needs root (CAP_NET_ADMIN)"
	case unix.ENETUNREACH, unix.EHOSTUNREACH:
		return gatewayHint
	case unix.ENETDOWN:
		return "bring the device up first"
	case unix.EACCES:
		return "is IPv6 turned off on the device (sysctl net.ipv6.conf.*.disable_ipv6)?"
	}
	return ""
}

// refused turns the kernel's answer to a change into the domain's kinds, with the kernel's words;
// what says what was tried.
func refused(what string, err error) error {
	answer, ok := kernelAnswer(err)
	if !ok {
		return wire.Wrap(what, err)
	}
	return &fault.Error{Kind: kinds[answer.errno], What: what, Hint: answer.hint(), Err: answer}
}
