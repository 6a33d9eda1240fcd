package byhand

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// leave removes the routes by a link that is to go. The kernel takes a while to close a link, and
// packets that are routed by it meanwhile are lost.
func (h Hands) leave(ctx context.Context, links []kernel.Link, l kernel.Link) error {
	r := reading{hands: h, links: links, b: kernel.ByHand{Link: l, Tables: make(map[uint32][]string)}}
	if err := r.routes(ctx); err != nil {
		return err
	}
	for _, m := range r.b.Raw.Routes {
		body, err := routeBody(m)
		if err == nil {
			body, err = onlyBy(body, uint32(l.Index)) //nolint:gosec // the kernel's own index
		}
		if err == nil {
			err = send(ctx, unix.RTM_DELROUTE, 0, body, unix.ESRCH, unix.ENODEV)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onlyBy returns, of an IPv6 route, the part by one device: the kernel shows routes by several
// devices as one. A route of IPv4 is the whole of it.
func onlyBy(body []byte, device uint32) ([]byte, error) {
	var hops []byte
	err := wire.EachAttribute(body[unix.SizeofRtMsg:], func(kind uint16, v []byte) error {
		if kind == unix.RTA_MULTIPATH {
			hops = v
		}
		return nil
	})
	if err != nil || hops == nil || body[0] != unix.AF_INET6 {
		return body, err
	}
	one, err := without(body, unix.SizeofRtMsg, unix.RTA_MULTIPATH, unix.RTA_OIF, unix.RTA_GATEWAY)
	eachHop(slices.Clone(hops), func(hop []byte) {
		if wire.Native.Uint32(hop[4:]) == device {
			one = append(wire.AppendUint32(one, unix.RTA_OIF, device), hop[unix.SizeofRtNexthop:]...)
		}
	})
	return one, err
}
