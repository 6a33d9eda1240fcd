package netlink

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// noDevice makes the error for a device that does not exist.
func noDevice(name string, cause error) error {
	return &fault.Error{
		Kind: fault.ErrInvalid, What: `there is no network device "` + fault.Printable(name) + `"`,
		Hint: "`ip link` lists the devices; a tunnel's is there while its profile is up", Err: cause,
	}
}

// wrap puts the name of the attempt before an error; it returns nil for nil.
func wrap(attempt string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", attempt, err)
}

// kernelError is the kernel's answer to a request: an errno, and the kernel's words about it (the
// extended acknowledgement).
type kernelError struct {
	errno unix.Errno
	words string
}

func (e kernelError) Error() string { return e.words }

func (e kernelError) Unwrap() error { return e.errno }

// kernelAnswer finds the kernel's answer in an error of the library, whose text is "errno: words".
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

// kinds says which kind of error an errno is, as the answer to a change of routes. Other errnos
// have no kind.
var kinds = sync.OnceValue(func() map[unix.Errno]error {
	return map[unix.Errno]error{
		unix.EEXIST: fault.ErrExists, unix.EPERM: fault.ErrNotPermitted,
		unix.EINVAL: fault.ErrInvalid, unix.ENETUNREACH: fault.ErrInvalid, unix.EHOSTUNREACH: fault.ErrInvalid, unix.ENODEV: fault.ErrInvalid,
		unix.EAFNOSUPPORT: fault.ErrUnsupported, unix.EOPNOTSUPP: fault.ErrUnsupported,
	}
})

const gatewayHint = "the gateway must be on a network of the device (see `ip address`); with `onlink` the kernel takes it for reachable all the same"

// hint returns the advice for the kernel's words, or else for the errno.
func (e kernelError) hint() string {
	for _, h := range []struct{ word, hint string }{
		{"prefsrc", "the source address (src) must be an address of this host"},
		{"source address", "the source address (src) must be an address of this host"},
		{"multipath API", "give every nexthop a gateway (via)"},
		{"congestion", "`sysctl net.ipv4.tcp_available_congestion_control` lists those that are loaded; `modprobe tcp_NAME` may load another"},
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

// refused gives the kernel's answer to a change its kind of error, with the kernel's words and a
// hint. The attempt names the change.
func refused(attempt string, err error) error {
	answer, ok := kernelAnswer(err)
	if !ok {
		return wrap(attempt, err)
	}
	return &fault.Error{Kind: kinds()[answer.errno], What: attempt, Hint: answer.hint(), Err: answer}
}
