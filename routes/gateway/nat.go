package gateway

import (
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/gateway/registers"
	"nmgre/routes/netlink/wire"
)

// binding is NAT of one of a packet's addresses. The rule by which it is decided is not part of it.
type binding struct {
	by         place
	source     bool       // its source, not its destination
	masquerade bool       // to the address of the device that it leaves by
	min, max   netip.Addr // to one of these, or between them; the zero Addr if that is unknown
}

// bindingOf reads NAT of nftables.
func bindingOf(e expr.Any, regs *registers.File) *binding {
	switch e := e.(type) {
	case *expr.Masq:
		return &binding{source: true, masquerade: true}
	case *expr.NAT:
		b := &binding{source: e.Type == expr.NATTypeSourceNAT}
		size := 4
		if e.Family == unix.NFPROTO_IPV6 {
			size = 16
		}
		b.min = addressIn(regs, e.RegAddrMin, size)
		if b.max = b.min; e.RegAddrMax != 0 {
			b.max = addressIn(regs, e.RegAddrMax, size)
		}
		return b
	}
	return &binding{}
}

// addressIn returns the address in a register; the zero Addr if it is not known.
func addressIn(regs *registers.File, register uint32, size int) netip.Addr {
	value, _ := regs.From(register)
	if len(value) < size {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(value[:size])
	return a
}

// targetBinding reads NAT of iptables. The library knows the addresses of IPv4 only.
func targetBinding(e *expr.Target) *binding {
	b := &binding{source: e.Name == "SNAT" || e.Name == "MASQUERADE", masquerade: e.Name == "MASQUERADE"}
	if info, ok := e.Info.(*xt.NatIPv4MultiRangeCompat); ok && e.Rev == 0 && len(*info) == 1 && !b.masquerade && e.Name != "REDIRECT" {
		b.min, _ = netip.AddrFromSlice((*info)[0].MinIP)
		b.max, _ = netip.AddrFromSlice((*info)[0].MaxIP)
	}
	return b
}

// keeps reports whether NAT leaves an address as it is: it takes no other where it may take this.
func (b *binding) keeps(a netip.Addr) bool {
	return a.IsValid() && b.min.IsValid() && b.max.IsValid() && b.min.Compare(a) <= 0 && a.Compare(b.max) <= 0
}

// resolve finds the address that masquerading takes for packets to an address out of a device, if
// that is sure.
func (b *binding) resolve(dev string, to netip.Addr) {
	if !b.masquerade || dev == "" {
		return
	}
	own := primaries(dev, to.Is4())
	at := 0
	if next := gatewayTo(to); len(own) > 1 {
		// the first whose network has the next hop
		for i, p := range own {
			if p.Contains(next) {
				at = i
				break
			}
		}
		if to.Is6() { // chosen by RFC 6724
			return
		}
	}
	if len(own) > 0 {
		b.min, b.max = own[at].Addr(), own[at].Addr()
	}
}

// primaries returns the addresses of a device from which the kernel chooses, with their networks.
// Of the addresses in one network of IPv4 the later ones are secondary.
func primaries(dev string, is4 bool) (list []netip.Prefix) {
	device, err := net.InterfaceByName(dev)
	if err != nil {
		return nil
	}
	addresses, err := device.Addrs()
	if err != nil {
		return nil
	}
	seen := make(map[netip.Prefix]bool)
	for _, address := range addresses {
		p, err := netip.ParsePrefix(address.String())
		if err != nil || p.Addr().Is4() != is4 || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		if is4 && seen[p.Masked()] {
			continue
		}
		seen[p.Masked()] = true
		list = append(list, p)
	}
	return list
}

// gatewayTo returns the next hop to an address: the gateway, or the address itself.
func gatewayTo(to netip.Addr) netip.Addr {
	route, ok := routeTo(to)
	if !ok || !route.Via.IsValid() {
		return to
	}
	return route.Via
}

// routeTo asks the kernel for its route to an address (RTM_GETROUTE). It returns false if there is
// none.
func routeTo(to netip.Addr) (wire.Route, bool) {
	ask := wire.Route{Family: wire.FamilyOf(to), Dst: netip.PrefixFrom(to, to.BitLen())}
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	req.AddRawData(ask.Encode())
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err != nil || len(answers) == 0 {
		return wire.Route{}, false
	}
	route, err := wire.ParseRoute(answers[0])
	return route, err == nil
}
