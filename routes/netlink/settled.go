package netlink

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/policy"
	"nmgre/routes/netlink/wire"
)

// maxOwn bounds the answer of [Kernel.Own], in bytes.
const maxOwn = 2 << 20

// errLong says that there is more than maxOwn.
var errLong = errors.New("the kernel has too much of nmgre's")

// Own has the kernel's messages about nmgre's routes and rules, and about the links of tunnels.
type Own struct {
	// Bytes are the kernel's messages about them. They are the same at another time only where
	// links, routes and rules are the same, in the same order.
	Bytes         []byte
	Routes, Rules int // how many of nmgre's there are
}

// Own reads the links named devices and all routes and rules of protocol [kernel.RouteProtocol],
// without a look into them, which would take most of the time. There is room for so many bytes at
// once. It fails where a device is missing.
func (k *Kernel) Own(ctx context.Context, devices []string, room int) (o Own, err error) {
	o.Bytes = make([]byte, 0, room)
	for _, dev := range devices {
		if err := k.ownLink(ctx, &o, dev); err != nil {
			return Own{}, wrap("read the link "+dev, err)
		}
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := k.ownRoutes(ctx, &o, family); err != nil {
			return Own{}, wrap("list routes", err)
		}
		if err := k.ownRules(ctx, &o, family); err != nil {
			return Own{}, wrap("list rules", err)
		}
	}
	return o, nil
}

// add adds a message.
func (o *Own) add(body ...[]byte) error {
	for _, part := range body {
		o.Bytes = append(o.Bytes, part...)
	}
	if len(o.Bytes) > maxOwn {
		return errLong
	}
	return nil
}

// ownLink adds a link: its number and flags, its name and its GRE parameters.
func (k *Kernel) ownLink(ctx context.Context, o *Own, dev string) error {
	return k.exchange(ctx, linkRequest(0, dev, skipStats), func(body []byte) error {
		if len(body) < unix.SizeofIfInfomsg {
			return fmt.Errorf("%w: a link of %d bytes", wire.ErrMalformed, len(body))
		}
		if err := o.add(body[:unix.SizeofIfInfomsg]); err != nil {
			return err
		}
		return wire.EachAttribute(body[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) error {
			if kind != unix.IFLA_IFNAME && kind != unix.IFLA_LINKINFO {
				return nil // it may change by itself
			}
			return o.add(v)
		})
	})
}

// ownRoutes adds the routes of a family.
func (k *Kernel) ownRoutes(ctx context.Context, o *Own, family uint8) error {
	filter := wire.Route{Family: family, Protocol: kernel.RouteProtocol}
	r := request{kind: unix.RTM_GETROUTE, reply: unix.RTM_NEWROUTE, body: filter.Encode()}
	return k.ownOf(ctx, o, r, &o.Routes, func(body []byte) (bool, error) {
		return len(body) >= unix.SizeofRtMsg && body[0] == family && body[5] == kernel.RouteProtocol, nil
	})
}

// ownRules adds the rules of a family.
func (k *Kernel) ownRules(ctx context.Context, o *Own, family uint8) error {
	r := request{kind: unix.RTM_GETRULE, reply: unix.RTM_NEWRULE, body: policy.Question(family)}
	return k.ownOf(ctx, o, r, &o.Rules, func(body []byte) (ours bool, err error) {
		if len(body) < unix.SizeofRtMsg || body[0] != family {
			return false, nil
		}
		err = wire.EachAttribute(body[unix.SizeofRtMsg:], func(kind uint16, v []byte) error {
			ours = ours || kind == unix.FRA_PROTOCOL && bytes.Equal(v, []byte{kernel.RouteProtocol})
			return nil
		})
		return ours, err
	})
}

// ownOf adds those messages of the answer to r which are nmgre's, and counts them.
func (k *Kernel) ownOf(ctx context.Context, o *Own, r request, count *int, ours func(body []byte) (bool, error)) error {
	bytesBefore, countBefore := len(o.Bytes), *count
	begin := func() { o.Bytes, *count = o.Bytes[:bytesBefore], countBefore }
	err := k.walk(ctx, r, begin, func(body []byte) error {
		is, err := ours(body)
		if err != nil || !is {
			return err
		}
		*count++
		return o.add(body)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
		return nil // the kernel has none of this family
	}
	return err
}
