package netlink

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// SetLink switches options of a GRE link on and off. The kernel takes the settings of a GRE link as
// a whole, so all others are sent as it has them, and the MTU as well: without it the kernel would
// choose one. It fails with [fault.ErrNotFound] if there is no such link, and with
// [fault.ErrInvalid] if the link is no GRE tunnel of two ends.
func (k *Kernel) SetLink(ctx context.Context, c kernel.LinkChange) error {
	attempt := "set " + c.On.With(c.Off).String() + " of " + fault.Printable(c.Name)
	var body []byte
	err := k.exchange(ctx, linkRequest(0, c.Name, skipStats), func(answer []byte) (err error) {
		body, err = linkChange(answer, c)
		return err
	})
	if errors.Is(err, unix.ENODEV) {
		return &fault.Error{Kind: fault.ErrNotFound, What: `there is no network device "` + fault.Printable(c.Name) + `"`, Err: err}
	}
	if err == nil && body != nil {
		err = k.exchange(ctx, request{kind: unix.RTM_NEWLINK, flags: unix.NLM_F_ACK, body: body}, func([]byte) error { return nil })
	}
	var refusal kernelError
	if answer, ok := kernelAnswer(err); ok {
		refusal = answer
		return &fault.Error{Kind: kinds()[refusal.errno], What: attempt, Hint: linkHint(refusal.errno), Err: refusal}
	}
	return wrap(attempt, err)
}

// linkHint returns the advice about a link whose options the kernel does not change.
func linkHint(errno unix.Errno) string {
	switch errno {
	case unix.EPERM:
		return "changing a link needs root (CAP_NET_ADMIN)"
	case unix.EINVAL:
		return "see what the link has: ip -d link show; the kernel ignores the DF bit only without path MTU discovery"
	}
	return ""
}

// resetsMTU says whether the kernel chooses an MTU of its own for the change where none is given
// (ipgre_link_update, ip6gre_tnl_link_config). Else none is given: NetworkManager may set the MTU
// between the look at the link and its change.
func resetsMTU(link kernel.Link, c kernel.LinkChange) bool {
	header := gre.LinkOptions{Checksum: true, Sequence: true}
	return link.GRE.Mode.IPv6Outer() || c.On.With(c.Off) != c.On.With(c.Off).Without(header)
}

// linkChange returns the body of the RTM_NEWLINK that makes the change of the link in answer, which
// is the body of an RTM_NEWLINK, too. It returns nil for nothing to change.
func linkChange(answer []byte, c kernel.LinkChange) ([]byte, error) {
	link, err := parseLink(answer)
	if err != nil {
		return nil, err
	}
	if link.GRE == nil || link.GRE.External || link.IsFallback() {
		return nil, fault.Invalid("", "", "%s is no GRE tunnel of two ends", fault.Printable(link.Name))
	}
	var info []byte
	err = wire.EachAttribute(answer[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) error {
		if kind == unix.IFLA_LINKINFO {
			info = v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kind, data, err := parseLinkInfo(info)
	if err != nil {
		return nil, err
	}
	body := make([]byte, unix.SizeofIfInfomsg)
	wire.Native.PutUint32(body[4:], uint32(link.Index)) //nolint:gosec // parseLink has checked it
	if on := c.On.Multicast; on || c.Off.Multicast {
		wire.Native.PutUint32(body[8:], map[bool]uint32{true: unix.IFF_MULTICAST}[on])
		wire.Native.PutUint32(body[12:], unix.IFF_MULTICAST) // the flags that change
	}
	headers := gre.LinkOptions{Multicast: true}
	if !c.On.With(c.Off).Without(headers).Any() {
		return body, nil
	}
	if data, err = wire.ChangeGRE(data, c.On, c.Off); err != nil {
		return nil, fmt.Errorf("link %s: %w", fault.Printable(link.Name), err)
	}
	nested := wire.AppendAttribute(nil, unix.IFLA_INFO_KIND, append([]byte(kind), 0))
	nested = wire.AppendAttribute(nested, unix.IFLA_INFO_DATA, data)
	if resetsMTU(link, c) {
		body = wire.AppendUint32(body, unix.IFLA_MTU, uint32(link.MTU)) //nolint:gosec // parseLink has checked it
	}
	return wire.AppendAttribute(body, unix.IFLA_LINKINFO, nested), nil
}
