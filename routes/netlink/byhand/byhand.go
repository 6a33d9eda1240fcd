// Package byhand reads a link that somebody made by hand, with all that is about it, and restores
// it. It keeps the kernel's own messages, and sends them back: so attributes that nmgre cannot read
// are restored as well.
//
// Begin at [Hands.Read].
package byhand

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// The library finds the byte order at its first use. Two first uses at once would be a race.
var _ = nl.NativeEndian()

// maxDump bounds the messages of one dump, and dumpTries how often a dump is tried whose table
// changes meanwhile.
const (
	maxDump   = 1 << 20
	dumpTries = 16
)

// Hands is this host's kernel, in the network namespace of the calling thread. It implements
// [kernel.Hands].
type Hands struct {
	Kernel kernel.Kernel
	NAT    NAT // nil where there is none
}

// NAT is the door to the NAT rules of other programs.
type NAT interface {
	// Rules returns the rules that change the source of packets, but for those of nmgre.
	Rules(ctx context.Context) ([]kernel.NATRule, error)
	// Remove removes rules, one after the other. It is no error if one is gone already.
	Remove(ctx context.Context, rules []kernel.NATRule) error
}

var _ kernel.Hands = Hands{}

// dump sends a request for a whole table, and returns copies of the messages for which wanted is
// true.
func dump(ctx context.Context, kind int, reply uint16, body []byte, wanted func([]byte) (bool, error)) ([][]byte, error) {
	var err error
	for range dumpTries {
		var all [][]byte
		all, err = dumpOnce(ctx, kind, reply, body, wanted)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, err
}

func dumpOnce(ctx context.Context, kind int, reply uint16, body []byte, wanted func([]byte) (bool, error)) (all [][]byte, err error) {
	req := nl.NewNetlinkRequest(kind, unix.NLM_F_DUMP)
	req.AddRawData(body)
	var stopped error
	n := 0
	err = req.ExecuteIter(unix.NETLINK_ROUTE, reply, func(message []byte) bool {
		if n++; n > maxDump {
			stopped = fmt.Errorf("the kernel's answer has more than %d parts", maxDump)
		} else {
			stopped = ctx.Err()
		}
		if stopped != nil {
			return false
		}
		var take bool
		if take, stopped = wanted(message); take && stopped == nil {
			all = append(all, append([]byte(nil), message...)) // the library uses the memory again
		}
		return stopped == nil
	})
	if stopped != nil {
		return nil, stopped
	}
	return all, err
}

// send sends one message, and waits for the kernel's answer. An errno of allowed is no error.
func send(ctx context.Context, kind, flags int, body []byte, allowed ...unix.Errno) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(kind, flags|unix.NLM_F_ACK)
	req.AddRawData(body)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	for _, errno := range allowed {
		if errors.Is(err, errno) {
			return nil
		}
	}
	if errors.Is(err, unix.EPERM) {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "change the kernel's network settings", Hint: fault.HintRoot, Err: err}
	}
	return err
}

// without returns a message with its header, but without attributes of these kinds. The others keep
// the flags of their types.
func without(body []byte, header int, kinds ...uint16) ([]byte, error) {
	if len(body) < header {
		return nil, fmt.Errorf("%w: a message of %d bytes", wire.ErrMalformed, len(body))
	}
	kept, rest := append([]byte(nil), body[:header]...), body[header:]
	for len(rest) >= unix.SizeofRtAttr {
		size := int(wire.Native.Uint16(rest))
		if size < unix.SizeofRtAttr || size > len(rest) {
			return nil, fmt.Errorf("%w: an attribute of %d bytes where %d are left", wire.ErrMalformed, size, len(rest))
		}
		kind := wire.Native.Uint16(rest[2:])
		if !slices.Contains(kinds, kind&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER)) {
			kept = wire.AppendAttribute(kept, kind, rest[unix.SizeofRtAttr:size])
		}
		rest = rest[min(wire.Align(size), len(rest)):]
	}
	return kept, nil
}
