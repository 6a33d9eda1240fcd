package byhand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// flagsAt is the place of rtm_flags in struct rtmsg.
const flagsAt = 8

// routeBody returns the message that adds a route again. The kernel takes no flags about the state
// of its devices, and no statistics.
func routeBody(m []byte) ([]byte, error) {
	body, err := without(m, unix.SizeofRtMsg, unix.RTA_CACHEINFO)
	if err != nil {
		return nil, err
	}
	wire.Native.PutUint32(body[flagsAt:], wire.Native.Uint32(body[flagsAt:])&unix.RTNH_F_ONLINK)
	for at := unix.SizeofRtMsg; at+unix.SizeofRtAttr <= len(body); {
		size := int(wire.Native.Uint16(body[at:]))
		if wire.Native.Uint16(body[at+2:])&^unix.NLA_F_NESTED == unix.RTA_MULTIPATH {
			eachHop(body[at+unix.SizeofRtAttr:at+size], func(hop []byte) { hop[2] &= unix.RTNH_F_ONLINK })
		}
		at += wire.Align(size)
	}
	return body, nil
}

// eachHop calls do with each nexthop (struct rtnexthop).
func eachHop(b []byte, do func(hop []byte)) {
	for len(b) >= unix.SizeofRtNexthop {
		size := int(wire.Native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return
		}
		do(b[:size])
		b = b[min(wire.Align(size), len(b)):]
	}
}

// RemoveRoutes removes the routes with these indexes. A route that is gone already is no error.
func (h Hands) RemoveRoutes(ctx context.Context, b kernel.ByHand, list []int) error {
	for _, i := range list {
		body, err := routeBody(b.Raw.Routes[i])
		if err == nil {
			err = send(ctx, unix.RTM_DELROUTE, 0, body, unix.ESRCH, unix.ENODEV)
		}
		if err != nil {
			return fmt.Errorf("remove the route to %s: %w", b.Routes[i].Dst, err)
		}
	}
	return nil
}

// RemoveRules removes rules of the policy and NAT rules.
func (h Hands) RemoveRules(ctx context.Context, b kernel.ByHand, rules, nat []int) error {
	for _, i := range rules {
		if err := removeRule(ctx, b.Raw.Rules[i], b.Rules[i]); err != nil {
			return fmt.Errorf("remove the rule %s: %w", b.Rules[i].Rule, err)
		}
	}
	var list []kernel.NATRule
	for _, i := range nat {
		list = append(list, b.NAT[i])
	}
	if len(list) == 0 {
		return nil
	}
	return h.NAT.Remove(ctx, list)
}

// removeRule removes a rule, and the same one if it is held.
func removeRule(ctx context.Context, m []byte, r kernel.HeldRule) error {
	err := send(ctx, unix.RTM_DELRULE, 0, m, unix.ENOENT)
	protocol, ok := heldAs(r)
	if err != nil || !ok {
		return err
	}
	held, err := ruleBy(m, protocol)
	if err != nil {
		return err
	}
	return send(ctx, unix.RTM_DELRULE, 0, held, unix.ENOENT)
}

// Restore makes everything as Read found it. It goes on after a failure, and joins the errors.
func (h Hands) Restore(ctx context.Context, b kernel.ByHand, rules []int) error {
	errs := []error{h.restoreLink(ctx, b), h.restoreAddresses(ctx, b), h.restoreRoutes(ctx, b), h.restoreRules(ctx, b, rules)}
	return errors.Join(errs...)
}

// restoreLink makes the link, if it is gone, with the index that it had. Otherwise it sets the
// link up and gives it its settings.
func (h Hands) restoreLink(ctx context.Context, b kernel.ByHand) error {
	link, err := h.Kernel.Link(ctx, b.Link.Name)
	flags := unix.NLM_F_CREATE | unix.NLM_F_EXCL
	body := b.Raw.Link
	switch {
	case err == nil && link.Index != b.Link.Index:
		return &fault.Error{What: "another link has the name " + fault.Printable(b.Link.Name) + " by now"}
	case err == nil:
		flags = 0
	case !errors.Is(err, fault.ErrNotFound):
		return err
	}
	if err != nil {
		err = makeLink(ctx, body, flags)
	}
	if err == nil { // a name, even the same one, is refused for a link that is up
		if body, err = without(body, unix.SizeofIfInfomsg, unix.IFLA_IFNAME); err == nil {
			err = send(ctx, unix.RTM_NEWLINK, 0, body)
		}
	}
	if err == nil && b.Raw.Spec != nil { // a link that is down has no IPv6 yet, as a rule
		spec := append(make([]byte, unix.SizeofIfInfomsg), b.Raw.Spec...)
		wire.Native.PutUint32(spec[4:], uint32(b.Link.Index)) //nolint:gosec // the kernel's own index
		err = send(ctx, unix.RTM_NEWLINK, 0, spec, unix.EAFNOSUPPORT)
	}
	if err != nil {
		return fmt.Errorf("make the link %s again: %w", fault.Printable(b.Link.Name), err)
	}
	return nil
}

// makeLink makes a link that is down.
func makeLink(ctx context.Context, body []byte, flags int) error {
	down := slices.Clone(body)
	wire.Native.PutUint32(down[8:], wire.Native.Uint32(down[8:])&^unix.IFF_UP)
	return send(ctx, unix.RTM_NEWLINK, flags, down)
}

// restoreAddresses makes the link's addresses those that it had, in their order: the first of a
// network is its primary one.
func (h Hands) restoreAddresses(ctx context.Context, b kernel.ByHand) error {
	r := reading{hands: h, b: kernel.ByHand{Link: b.Link}}
	if err := r.addresses(ctx); err != nil {
		return err
	}
	if sameAddresses(r.b.Raw.Addresses, b.Raw.Addresses) {
		return nil
	}
	var errs []error
	for i, m := range r.b.Raw.Addresses {
		if !r.b.Addresses[i].Automatic {
			errs = append(errs, send(ctx, unix.RTM_DELADDR, 0, m, unix.EADDRNOTAVAIL))
		}
	}
	for _, m := range b.Raw.Addresses {
		errs = append(errs, send(ctx, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, m, unix.EEXIST))
	}
	return errors.Join(errs...)
}

// sameAddresses compares two lists of addresses, but for their life times and states.
func sameAddresses(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, func(x, y []byte) bool {
		x, errX := without(x, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO)
		y, errY := without(y, unix.SizeofIfAddrmsg, unix.IFA_CACHEINFO)
		return errX == nil && errY == nil && bytes.Equal(x, y)
	})
}

// restoreRoutes adds the routes that are missing, those without a gateway first, and removes those
// that have come since.
func (h Hands) restoreRoutes(ctx context.Context, b kernel.ByHand) error {
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return err
	}
	r := reading{hands: h, links: links, b: kernel.ByHand{Link: b.Link, Tables: make(map[uint32][]string)}}
	if err := r.routes(ctx); err != nil {
		return err
	}
	wanted, have, err := bodies(b.Raw.Routes, r.b.Raw.Routes)
	if err != nil {
		return err
	}
	var errs []error
	for _, gateway := range []bool{false, true} {
		for i, body := range wanted {
			if hasGateway(b.Routes[i]) == gateway && !contains(have, body) {
				errs = append(errs, send(ctx, unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, body, unix.EEXIST))
			}
		}
	}
	for i, body := range have {
		if now := r.b.Routes[i]; !contains(wanted, body) && now.Protocol != unix.RTPROT_RA && len(now.Nexthops) == 0 {
			errs = append(errs, send(ctx, unix.RTM_DELROUTE, 0, body, unix.ESRCH))
		}
	}
	return errors.Join(errs...)
}

func hasGateway(r kernel.HandRoute) bool { return r.Via.IsValid() || len(r.Nexthops) > 0 }

// bodies returns the messages that add two lists of routes again.
func bodies(a, b [][]byte) (first, second [][]byte, err error) {
	for i, list := range [][][]byte{a, b} {
		for _, m := range list {
			body, err := routeBody(m)
			if err != nil {
				return nil, nil, err
			}
			if i == 0 {
				first = append(first, body)
			} else {
				second = append(second, body)
			}
		}
	}
	return first, second, nil
}

func contains(list [][]byte, body []byte) bool {
	return slices.ContainsFunc(list, func(other []byte) bool { return bytes.Equal(other, body) })
}

// restoreRules adds the rules with these indexes that are missing.
func (h Hands) restoreRules(ctx context.Context, b kernel.ByHand, rules []int) error {
	if len(rules) == 0 {
		return nil
	}
	r := reading{hands: h}
	if err := r.rules(ctx); err != nil {
		return err
	}
	var errs []error
	for _, i := range rules {
		if !contains(r.b.Raw.Rules, b.Raw.Rules[i]) {
			errs = append(errs, send(ctx, unix.RTM_NEWRULE, unix.NLM_F_CREATE, b.Raw.Rules[i]))
		}
	}
	return errors.Join(errs...)
}
