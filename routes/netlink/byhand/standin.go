package byhand

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// Attributes that package unix lacks.
const (
	greLink     = 1  // IFLA_GRE_LINK
	fraProtocol = 21 // FRA_PROTOCOL
)

// StandIn makes a second link beside b's, as [kernel.Hands] describes. The kernel tells the two
// apart by the device that they are bound to, and gives packets that come in to the bound one.
func (h Hands) StandIn(ctx context.Context, b kernel.ByHand, device int, aside []int) (bool, error) {
	g := b.Link.GRE
	if g == nil || b.Link.Controller != 0 || !b.Link.Up {
		return false, nil
	}
	if g.Parent != 0 {
		device = 0
	}
	if device == 0 && g.Parent == 0 {
		return false, nil
	}
	err := h.standIn(ctx, b, uint32(device), aside) //nolint:gosec // the kernel's own index
	if err != nil {
		return false, errors.Join(fmt.Errorf("make a link that stands in for %s: %w", fault.Printable(b.Link.Name), err), h.Unstand(context.WithoutCancel(ctx)))
	}
	return true, nil
}

func (h Hands) standIn(ctx context.Context, b kernel.ByHand, device uint32, aside []int) error {
	name := fmt.Sprint(kernel.StandInPrefix, b.Link.Index)
	body, err := standInLink(b, name, device)
	if err != nil {
		return err
	}
	if err := makeLink(ctx, body, unix.NLM_F_CREATE|unix.NLM_F_EXCL); err != nil {
		return err
	}
	link, err := h.Kernel.Link(ctx, name)
	if err != nil {
		return err
	}
	index := uint32(link.Index) //nolint:gosec // the kernel's own index
	for i, m := range b.Raw.Addresses {
		if b.Addresses[i].Automatic && m[0] == unix.AF_INET6 {
			continue
		}
		body, err := without(m, unix.SizeofIfAddrmsg, unix.IFA_LABEL, unix.IFA_CACHEINFO)
		if err != nil {
			return err
		}
		wire.Native.PutUint32(body[4:], index)
		if err := send(ctx, unix.RTM_NEWADDR, unix.NLM_F_CREATE, body, unix.EEXIST); err != nil {
			return err
		}
	}
	if err := h.standInRules(ctx, b, name); err != nil {
		return err
	}
	if err := h.loosen(ctx, b, index); err != nil {
		return err
	}
	if err := send(ctx, unix.RTM_NEWLINK, 0, body); err != nil { // up
		return err
	}
	return h.standInRoutes(ctx, b, index, aside)
}

// standInLink returns the message that makes the link: b's own, with another name and device, and
// without an index and a controller.
func standInLink(b kernel.ByHand, name string, device uint32) ([]byte, error) {
	body, err := without(b.Raw.Link, unix.SizeofIfInfomsg, unix.IFLA_IFNAME, unix.IFLA_MASTER, unix.IFLA_LINKINFO, unix.IFLA_IFALIAS, unix.IFLA_GROUP)
	if err != nil {
		return nil, err
	}
	var info []byte
	err = wire.EachAttribute(b.Raw.Link[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) error {
		if kind == unix.IFLA_LINKINFO {
			info = v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var data []byte
	err = wire.EachAttribute(info, func(kind uint16, v []byte) error {
		if kind == unix.IFLA_INFO_DATA {
			data = v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if data, err = without(data, 0, greLink); err != nil {
		return nil, err
	}
	if device != 0 {
		data = wire.AppendUint32(data, greLink, device)
	}
	nested := wire.AppendAttribute(nil, unix.IFLA_INFO_KIND, append([]byte(b.Link.Kind), 0))
	nested = wire.AppendAttribute(nested, unix.IFLA_INFO_DATA, data)
	wire.Native.PutUint32(body[4:], 0)
	body = wire.AppendAttribute(body, unix.IFLA_IFNAME, append([]byte(name), 0))
	return wire.AppendAttribute(body, unix.IFLA_LINKINFO, nested), nil
}

// standInRoutes adds b's routes by the link with an index, those without a gateway first. Each
// comes before the one that it stands in for: so packets leave by the link by which those of the
// far end come in, which a strict reverse path filter asks for.
func (h Hands) standInRoutes(ctx context.Context, b kernel.ByHand, index uint32, aside []int) error {
	for _, gateway := range []bool{false, true} {
		for i, m := range b.Raw.Routes {
			r := b.Routes[i]
			if hasGateway(r) != gateway || r.Protocol == unix.RTPROT_KERNEL && r.Dst.Addr().Is6() || r.NexthopID != 0 || r.Odd != "" {
				continue
			}
			body, err := routeBody(m)
			if err == nil {
				body, err = bodyBy(body, uint32(b.Link.Index), index) //nolint:gosec // the kernel's own index
			}
			if err != nil {
				return err
			}
			if slices.Contains(aside, i) {
				if body, err = without(body, unix.SizeofRtMsg, unix.RTA_PRIORITY); err != nil {
					return err
				}
				body = wire.AppendUint32(body, unix.RTA_PRIORITY, metricBeside(r.KernelMetric()))
			}
			const protocolAt = 5
			body[protocolAt] = kernel.StandInProtocol
			if err := send(ctx, unix.RTM_NEWROUTE, unix.NLM_F_CREATE, body, unix.EEXIST); err != nil {
				return fmt.Errorf("the route to %s: %w", r.Dst, err)
			}
		}
	}
	return ctx.Err()
}

// metricBeside returns the metric of a route that stands in for one with a metric, and leaves its
// place free. It comes before the other where it can: when the last address of a device is removed,
// the kernel still routes by it for a moment, with an address of another device. 0 is no metric of
// IPv6.
func metricBeside(metric uint32) uint32 {
	if metric <= 1 {
		return metric + 1
	}
	return metric - 1
}

// bodyBy returns a route with one device in the place of another.
func bodyBy(body []byte, from, to uint32) ([]byte, error) {
	body = slices.Clone(body)
	for at := unix.SizeofRtMsg; at+unix.SizeofRtAttr <= len(body); {
		size := int(wire.Native.Uint16(body[at:]))
		if size < unix.SizeofRtAttr || at+size > len(body) {
			return nil, wire.ErrMalformed
		}
		v := body[at+unix.SizeofRtAttr : at+size]
		switch wire.Native.Uint16(body[at+2:]) &^ unix.NLA_F_NESTED {
		case unix.RTA_OIF:
			if len(v) == 4 && wire.Native.Uint32(v) == from {
				wire.Native.PutUint32(v, to)
			}
		case unix.RTA_MULTIPATH:
			eachHop(v, func(hop []byte) {
				if wire.Native.Uint32(hop[4:]) == from {
					wire.Native.PutUint32(hop[4:], to)
				}
			})
		}
		at += wire.Align(size)
	}
	return body, nil
}

// standInRules adds the rules of the policy that name b's device for the other one.
func (h Hands) standInRules(ctx context.Context, b kernel.ByHand, name string) error {
	for i, m := range b.Raw.Rules {
		if held := b.Rules[i]; held.IIF != b.Link.Name && held.OIF != b.Link.Name {
			continue
		}
		body, err := without(m, ruleHeaderSize, unix.FRA_IIFNAME, unix.FRA_OIFNAME, fraProtocol)
		if err != nil {
			return err
		}
		for kind, own := range map[uint16]string{unix.FRA_IIFNAME: b.Rules[i].IIF, unix.FRA_OIFNAME: b.Rules[i].OIF} {
			if own == b.Link.Name {
				own = name
			}
			if own != "" {
				body = wire.AppendAttribute(body, kind, append([]byte(own), 0))
			}
		}
		body = wire.AppendAttribute(body, fraProtocol, []byte{kernel.StandInProtocol})
		if err := send(ctx, unix.RTM_NEWRULE, unix.NLM_F_CREATE, body); err != nil {
			return err
		}
	}
	return nil
}

// Unstand removes the stand-ins of all links. Their addresses and routes go with them.
func (h Hands) Unstand(ctx context.Context) error {
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range links {
		if l.GRE == nil || !strings.HasPrefix(l.Name, kernel.StandInPrefix) {
			continue
		}
		errs = append(errs, h.leave(ctx, links, l))
		body := make([]byte, unix.SizeofIfInfomsg)
		wire.Native.PutUint32(body[4:], uint32(l.Index)) //nolint:gosec // the kernel's own index
		errs = append(errs, send(ctx, unix.RTM_DELLINK, 0, body, unix.ENODEV))
	}
	r := reading{hands: h}
	if err := r.rules(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	for i, held := range r.b.Rules {
		if held.Protocol == kernel.StandInProtocol || isHeld(held) {
			errs = append(errs, send(ctx, unix.RTM_DELRULE, 0, r.b.Raw.Rules[i], unix.ENOENT))
		}
	}
	return errors.Join(errs...)
}
