package byhand

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/policy"
	"nmgre/routes/netlink/wire"
)

// Read returns the link named dev, as [kernel.Hands] describes.
func (h Hands) Read(ctx context.Context, dev string) (kernel.ByHand, error) {
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return kernel.ByHand{}, err
	}
	link := kernel.Named(links, dev)
	if link == nil {
		return kernel.ByHand{}, &fault.Error{Kind: fault.ErrNotFound, What: `there is no network device "` + fault.Printable(dev) + `"`, Hint: "see the devices: ip link show"}
	}
	r := reading{hands: h, links: links, b: kernel.ByHand{Link: *link, Tables: make(map[uint32][]string)}}
	for _, step := range []func(context.Context) error{r.link, r.addresses, r.routes, r.rules} {
		if err := step(ctx); err != nil {
			return kernel.ByHand{}, err
		}
	}
	if h.NAT != nil {
		r.b.NAT, r.b.NATErr = h.NAT.Rules(ctx)
	}
	return r.b, ctx.Err()
}

// reading is a link while it is read.
type reading struct {
	hands Hands
	links []kernel.Link
	b     kernel.ByHand
}

// name returns the name of the device with an index, or the empty string.
func (r *reading) name(index int) string {
	for _, l := range r.links {
		if l.Index == index && index != 0 {
			return l.Name
		}
	}
	return ""
}

// link reads the message about the link itself.
func (r *reading) link(ctx context.Context) error {
	l := &r.b.Link
	if g := l.GRE; g != nil {
		r.b.Parent = r.name(g.Parent)
	}
	if r.b.Controller = r.name(l.Controller); r.b.Controller != "" {
		r.b.ControllerKind = kernel.Named(r.links, r.b.Controller).Kind
	}
	body := make([]byte, unix.SizeofIfInfomsg)
	wire.Native.PutUint32(body[4:], uint32(l.Index)) //nolint:gosec // the kernel's own index
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	req.AddRawData(body)
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err == nil && len(answers) == 0 {
		err = errors.New("the kernel gives no answer")
	}
	if err != nil {
		return fmt.Errorf("read the device %s: %w", fault.Printable(l.Name), err)
	}
	r.b.Raw.Link, err = r.readLink(answers[0])
	return err
}

// Attributes of a link that package unix lacks, or that have their numbers in if_link.h.
const (
	inet6AddrGenMode = 8 // IFLA_INET6_ADDR_GEN_MODE
	defaultQueue     = 1000
)

// readLink returns the body of the message that makes the link again.
func (r *reading) readLink(answer []byte) ([]byte, error) {
	if len(answer) < unix.SizeofIfInfomsg {
		return nil, fmt.Errorf("%w: a link of %d bytes", wire.ErrMalformed, len(answer))
	}
	body := slices.Clone(answer[:unix.SizeofIfInfomsg])
	body[0] = unix.AF_UNSPEC
	const settable = unix.IFF_UP | unix.IFF_MULTICAST | unix.IFF_PROMISC | unix.IFF_ALLMULTI | unix.IFF_NOARP
	wire.Native.PutUint32(body[8:], wire.Native.Uint32(answer[8:])&settable)
	wire.Native.PutUint32(body[12:], unix.IFF_UP|unix.IFF_MULTICAST)
	var wr wire.Reader
	err := wire.EachAttribute(answer[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) error {
		switch kind {
		case unix.IFLA_IFNAME, unix.IFLA_MTU, unix.IFLA_LINKINFO:
		case unix.IFLA_MASTER:
		case unix.IFLA_TXQLEN:
			if n := wr.Uint32(v); n != defaultQueue && n != 0 {
				r.odd(true, "txqueuelen", fmt.Sprintf("txqueuelen %d", n), "")
			}
		case unix.IFLA_GROUP:
			if n := wr.Uint32(v); n != 0 {
				r.odd(true, "group", fmt.Sprintf("group %d", n), "")
			}
		case unix.IFLA_IFALIAS:
			r.odd(true, "alias", "alias "+fault.Printable(unix.ByteSliceToString(v)), "")
		case unix.IFLA_ADDRESS:
			if g := r.b.Link.GRE; g == nil || !g.Mode.Ethernet() || len(v) != 6 {
				return nil
			}
			r.b.MAC = strings.ToLower(fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4], v[5]))
		case unix.IFLA_AF_SPEC:
			if mode, ok := addrGenMode(v); ok {
				inner := wire.AppendAttribute(nil, inet6AddrGenMode, []byte{mode})
				inner = wire.AppendAttribute(nil, unix.AF_INET6|unix.NLA_F_NESTED, inner)
				r.b.Raw.Spec = wire.AppendAttribute(nil, unix.IFLA_AF_SPEC|unix.NLA_F_NESTED, inner)
			}
			return nil
		default:
			return nil
		}
		body = wire.AppendAttribute(body, kind, v)
		if kind == unix.IFLA_LINKINFO {
			return r.readInfo(v)
		}
		return wr.Err
	})
	return body, err
}

// addrGenMode reads how the kernel makes the link's own IPv6 address, from IFLA_AF_SPEC.
func addrGenMode(spec []byte) (mode byte, ok bool) {
	err := wire.EachAttribute(spec, func(family uint16, v []byte) error {
		if family != unix.AF_INET6 {
			return nil
		}
		return wire.EachAttribute(v, func(kind uint16, v []byte) error {
			if kind == inet6AddrGenMode && len(v) == 1 {
				mode, ok = v[0], true
			}
			return nil
		})
	})
	return mode, ok && err == nil
}

func (r *reading) odd(mere bool, field, name, undo string) {
	r.b.Odd = append(r.b.Odd, kernel.Setting{Name: name, Field: field, Undo: undo, Mere: mere})
}

// Attributes of the GRE kinds that no tunnel of nmgre's has (linux/if_tunnel.h).
const (
	greFlags     = 13
	greEncapType = 14
	greFwmark    = 20
)

// allowLocalRemote is IP6_TNL_F_ALLOW_LOCAL_REMOTE.
const allowLocalRemote = 0x40

// readInfo reads the settings of the link's kind that no tunnel of nmgre's has.
func (r *reading) readInfo(info []byte) error {
	var data []byte
	err := wire.EachAttribute(info, func(kind uint16, v []byte) error {
		if kind == unix.IFLA_INFO_DATA {
			data = v
		}
		return nil
	})
	g := r.b.Link.GRE
	if err != nil || g == nil {
		return err
	}
	var wr wire.Reader
	err = wire.EachAttribute(data, func(kind uint16, v []byte) error {
		switch kind {
		case greEncapType:
			if n := wire.Native.Uint16(wr.Bytes(v, 2)); n != 0 {
				name := map[uint16]string{1: "fou", 2: "gue", 3: "mpls"}[n]
				r.odd(false, "encap", strings.TrimSpace("encap "+name), "")
			}
		case greFwmark:
			if n := wr.Uint32(v); n != 0 {
				r.odd(false, "fwmark", fmt.Sprintf("fwmark 0x%x", n), "fwmark 0")
			}
		case greFlags:
			if g.Mode.IPv6Outer() && wr.Uint32(v)&allowLocalRemote != 0 {
				r.odd(false, "allow-localremote", "allow-localremote", "noallow-localremote")
			}
		}
		return wr.Err
	})
	return err
}

// addresses reads the addresses of the link.
func (r *reading) addresses(ctx context.Context) (err error) {
	r.b.Raw.Addresses, err = dump(ctx, unix.RTM_GETADDR, unix.RTM_NEWADDR, make([]byte, unix.SizeofIfAddrmsg), func(m []byte) (bool, error) {
		if len(m) < unix.SizeofIfAddrmsg {
			return false, fmt.Errorf("%w: an address of %d bytes", wire.ErrMalformed, len(m))
		}
		return int(wire.Native.Uint32(m[4:])) == r.b.Link.Index && (m[0] == unix.AF_INET || m[0] == unix.AF_INET6), nil
	})
	if err != nil {
		return fmt.Errorf("list the addresses: %w", err)
	}
	for _, m := range r.b.Raw.Addresses {
		a, err := readAddress(m, r.b.Link)
		if err != nil {
			return err
		}
		r.b.Addresses = append(r.b.Addresses, a)
	}
	return nil
}

// forever is the life time of an address that stays (INFINITY_LIFE_TIME), and the others are the
// numbers of IFA_PROTO (linux/if_addr.h).
const (
	forever       = 0xffffffff
	ifaProto      = 11
	protoKernelLL = 3
	protoKernelRA = 2
)

// readAddress reads struct ifaddrmsg and its attributes.
func readAddress(m []byte, link kernel.Link) (kernel.HandAddress, error) {
	var wr wire.Reader
	var address, local netip.Addr
	var a kernel.HandAddress
	flags, proto := uint32(m[2]), byte(0)
	err := wire.EachAttribute(m[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) error {
		switch kind {
		case unix.IFA_ADDRESS:
			address = wr.Addr(m[0], v)
		case unix.IFA_LOCAL:
			local = wr.Addr(m[0], v)
		case unix.IFA_LABEL:
			if label := unix.ByteSliceToString(v); label != link.Name {
				a.Label = label
			}
		case unix.IFA_FLAGS:
			flags = wr.Uint32(v)
		case unix.IFA_CACHEINFO:
			a.Leased = wr.Uint32(wr.Bytes(v, 8)[4:]) != forever
		case ifaProto:
			proto = wr.Bytes(v, 1)[0]
		}
		return wr.Err
	})
	if !local.IsValid() {
		local = address
	}
	if a.Prefix = netip.PrefixFrom(local, int(m[1])); err == nil && !a.IsValid() {
		err = fmt.Errorf("%w: an address with a prefix of %d bits", wire.ErrMalformed, m[1])
	}
	if local != address {
		a.Peer = netip.PrefixFrom(address, int(m[1]))
	}
	a.Automatic = proto == protoKernelLL || proto == protoKernelRA || isTunnelsOwn(a.Prefix, link)
	if scope := m[3]; scope != unix.RT_SCOPE_UNIVERSE && !local.IsLinkLocalUnicast() && local.Is4() {
		a.Odd = "scope " + routes.Scope(scope).String()
	}
	if flags&unix.IFA_F_NOPREFIXROUTE != 0 && !a.IsSingleIP() && !local.IsLinkLocalUnicast() {
		a.Odd = strings.TrimSpace(a.Odd + " noprefixroute")
	}
	return a, err
}

// isTunnelsOwn says whether an address is one that a kernel without IFA_PROTO has given the link:
// of an IPv4 tunnel fe80::5efe:LOCAL (RFC 5214) or fe80::LOCAL.
func isTunnelsOwn(p netip.Prefix, link kernel.Link) bool {
	a := p.Addr()
	if !a.Is6() || !a.IsLinkLocalUnicast() || p.Bits() != 64 || link.GRE == nil {
		return false
	}
	b := a.As16()
	if link.GRE.Local.Is4() && !link.GRE.Mode.Ethernet() {
		own := link.GRE.Local.As4()
		return slices.Equal(b[12:], own[:])
	}
	return b[11] == 0xff && b[12] == 0xfe
}

// routes reads the routes into the link.
func (r *reading) routes(ctx context.Context) error {
	names := make(map[int]string, len(r.links))
	for _, l := range r.links {
		names[l.Index] = l.Name
	}
	devices := make(map[uint32][]string)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		body := make([]byte, unix.SizeofRtMsg)
		body[0] = family
		raw, err := dump(ctx, unix.RTM_GETROUTE, unix.RTM_NEWROUTE, body, func(m []byte) (bool, error) {
			w, err := wire.ParseRoute(m)
			if err != nil || w.Flags&unix.RTM_F_CLONED != 0 || w.Family != family || w.Table == unix.RT_TABLE_LOCAL {
				return false, err
			}
			list := w.Devices()
			if w.LeadsInto(r.b.Link.Index) { // one path of several makes it the link's
				list = []int{r.b.Link.Index}
			}
			for _, index := range list {
				if name := names[index]; !slices.Contains(devices[w.Table], name) {
					devices[w.Table] = append(devices[w.Table], name)
				}
			}
			return w.LeadsInto(r.b.Link.Index), nil
		})
		if err != nil {
			return fmt.Errorf("list the routes: %w", err)
		}
		for _, m := range raw {
			if err := r.route(m, names); err != nil {
				return err
			}
		}
	}
	for _, held := range r.b.Routes {
		table := held.TableOrMain()
		r.b.Tables[table] = devices[table]
	}
	return nil
}

func (r *reading) route(m []byte, names map[int]string) error {
	w, err := wire.ParseRoute(m)
	if err != nil {
		return err
	}
	held, ok := w.Held(r.b.Link.Index, names)
	one := kernel.HandRoute{HeldRoute: held}
	switch {
	case w.Type != unix.RTN_UNICAST:
		one.Odd = "type " + held.Type.String()
	case w.Foreign || !ok:
		one.Odd = "a part that nmgre cannot read"
	}
	r.b.Routes, r.b.Raw.Routes = append(r.b.Routes, one), append(r.b.Raw.Routes, m)
	return nil
}

// rules reads the rules of the routing policy.
func (r *reading) rules(ctx context.Context) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		raw, err := dump(ctx, unix.RTM_GETRULE, unix.RTM_NEWRULE, policy.Question(family), func(m []byte) (bool, error) {
			return len(m) > 0 && m[0] == family, nil
		})
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue // the kernel has no rules, or none of this family
		}
		if err != nil {
			return fmt.Errorf("list the rules of the routing policy: %w", err)
		}
		for _, m := range raw {
			held, err := policy.Parse(m)
			if err != nil {
				return err
			}
			r.b.Rules, r.b.Raw.Rules = append(r.b.Rules, held), append(r.b.Raw.Rules, m)
		}
	}
	return nil
}
