package netlink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// skipStats (RTEXT_FILTER_SKIP_STATS) asks for links without their counters.
const skipStats = 8

// Links returns every network device of this network namespace with its addresses, in the kernel's
// order. It takes two dumps, for any number of devices.
func (k *Kernel) Links(ctx context.Context) ([]kernel.Link, error) {
	links, err := k.dumpLinks(ctx, 0)
	if err != nil {
		return nil, err
	}
	addresses, err := dump(ctx, k, request{
		kind: unix.RTM_GETADDR, reply: unix.RTM_NEWADDR, body: make([]byte, unix.SizeofIfAddrmsg),
	}, parseAddress)
	if err != nil {
		return nil, fmt.Errorf("list the addresses: %w", err)
	}
	byIndex := make(map[int]*kernel.Link, len(links))
	for i := range links {
		byIndex[links[i].Index] = &links[i]
	}
	for _, a := range addresses {
		if link := byIndex[a.index]; link != nil {
			link.Addresses = append(link.Addresses, a.prefix)
			if a.leased || link.PointToPoint() {
				link.Leased = append(link.Leased, a.prefix.Addr())
			}
		}
	}
	return links, nil
}

// dumpLinks returns every device, without addresses. The filter holds RTEXT_FILTER_... flags.
func (k *Kernel) dumpLinks(ctx context.Context, filter uint32) ([]kernel.Link, error) {
	links, err := dump(ctx, k, linkRequest(0, "", filter), func(body []byte) (kernel.Link, bool, error) {
		link, err := parseLink(body)
		return link, true, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the network devices: %w", err)
	}
	return links, nil
}

// names returns the names of all devices by index.
func (k *Kernel) names(ctx context.Context) (map[int]string, error) {
	links, err := k.dumpLinks(ctx, skipStats)
	if err != nil {
		return nil, err
	}
	names := make(map[int]string, len(links))
	for _, link := range links {
		names[link.Index] = link.Name
	}
	return names, nil
}

// Link returns one device without its addresses, with its counters.
func (k *Kernel) Link(ctx context.Context, name string) (kernel.Link, error) {
	link, err := k.named(ctx, name, 0)
	if errors.Is(err, unix.ENODEV) {
		return kernel.Link{}, &fault.Error{Kind: fault.ErrNotFound, What: `there is no network device "` + fault.Printable(name) + `"`, Err: err}
	}
	return link, err
}

// linkByName returns one device, without addresses. It fails with an ENODEV if there is none of
// that name.
func (k *Kernel) linkByName(ctx context.Context, name string) (kernel.Link, error) {
	link, err := k.named(ctx, name, skipStats)
	if errors.Is(err, unix.ENODEV) {
		return kernel.Link{}, noDevice(name, err)
	}
	return link, err
}

// named asks for the device of that name. The filter holds RTEXT_FILTER_... flags.
func (k *Kernel) named(ctx context.Context, name string, filter uint32) (kernel.Link, error) {
	if name == "" || len(name) >= unix.IFNAMSIZ || strings.Contains(name, "\x00") {
		// The kernel would call it out of range, or read the name up to the zero.
		return kernel.Link{}, unix.ENODEV
	}
	return k.oneLink(ctx, linkRequest(0, name, filter))
}

func (k *Kernel) linkByIndex(ctx context.Context, index int) (kernel.Link, error) {
	return k.oneLink(ctx, linkRequest(index, "", skipStats))
}

func (k *Kernel) oneLink(ctx context.Context, r request) (link kernel.Link, err error) {
	err = k.exchange(ctx, r, func(body []byte) (err error) {
		link, err = parseLink(body)
		return err
	})
	if err == nil && link.Index == 0 {
		err = fmt.Errorf("%w: no device in the answer", wire.ErrMalformed)
	}
	return link, err
}

// linkRequest makes the request for the device with an index or a name. With neither it is that of
// a dump.
func linkRequest(index int, name string, filter uint32) request {
	body := make([]byte, unix.SizeofIfInfomsg)
	wire.Native.PutUint32(body[4:], uint32(index))
	if name != "" {
		body = wire.AppendAttribute(body, unix.IFLA_IFNAME, append([]byte(name), 0))
	}
	if filter != 0 {
		body = wire.AppendUint32(body, unix.IFLA_EXT_MASK, filter)
	}
	return request{kind: unix.RTM_GETLINK, reply: unix.RTM_NEWLINK, body: body}
}

// parseLink reads the body of an RTM_NEWLINK message (struct ifinfomsg).
func parseLink(body []byte) (kernel.Link, error) {
	if len(body) < unix.SizeofIfInfomsg {
		return kernel.Link{}, fmt.Errorf("%w: a link of %d bytes", wire.ErrMalformed, len(body))
	}
	var r wire.Reader
	flags := r.Uint32(body[8:])
	link := kernel.Link{Index: r.Int(body[4:]), Up: flags&unix.IFF_UP != 0, NoCarrier: flags&unix.IFF_UP != 0 && flags&unix.IFF_LOWER_UP == 0, Multicast: flags&unix.IFF_MULTICAST != 0}
	var data []byte
	err := wire.EachAttribute(body[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) (err error) {
		switch kind {
		case unix.IFLA_IFNAME:
			link.Name = unix.ByteSliceToString(v)
		case unix.IFLA_MTU:
			link.MTU = r.Int(v)
		case unix.IFLA_STATS64:
			link.Counters = parseCounters(&r, v)
		case unix.IFLA_MASTER:
			link.Controller = r.Int(v)
		case unix.IFLA_LINKINFO:
			link.Kind, data, err = parseLinkInfo(v)
			if err == nil {
				link.Port, err = parsePort(v)
			}
		}
		return err
	})
	if err == nil {
		err = r.Err
	}
	if err == nil && (link.Index <= 0 || link.Name == "" || link.MTU < 0) {
		err = fmt.Errorf("%w: a link without index, name or size", wire.ErrMalformed)
	}
	if err != nil {
		return kernel.Link{}, err
	}
	if link.Kind == "vrf" {
		if link.Table, err = parseVRF(data); err != nil {
			return kernel.Link{}, fmt.Errorf("link %s: %w", fault.Printable(link.Name), err)
		}
	}
	if mode, err := gre.ParseMode(link.Kind); err == nil {
		link.GRE, err = wire.ParseGRE(mode, data)
		if err != nil {
			return kernel.Link{}, fmt.Errorf("link %s: %w", fault.Printable(link.Name), err)
		}
	}
	return link, nil
}

// parseLinkInfo reads IFLA_LINKINFO: the kind of a link, and the attributes of that kind. The two
// may stand in any order.
func parseLinkInfo(info []byte) (kind string, data []byte, err error) {
	err = wire.EachAttribute(info, func(k uint16, v []byte) error {
		switch k {
		case unix.IFLA_INFO_KIND:
			kind = unix.ByteSliceToString(v)
		case unix.IFLA_INFO_DATA:
			data = v
		}
		return nil
	})
	return kind, data, err
}

// parseVRF reads the table of a VRF from the attributes of its kind.
func parseVRF(data []byte) (table uint32, err error) {
	var r wire.Reader
	err = wire.EachAttribute(data, func(k uint16, v []byte) error {
		if k == unix.IFLA_VRF_TABLE {
			table = r.Uint32(v)
		}
		return r.Err
	})
	return table, err
}

// parsePort reads from IFLA_LINKINFO the state of a bridge's port: the attribute IFLA_BRPORT_STATE
// (linux/if_link.h) in the data of the kind "bridge".
func parsePort(info []byte) (kernel.PortState, error) {
	const brportState = 1
	var r wire.Reader
	var kind string
	var data []byte
	state := kernel.PortNone
	err := wire.EachAttribute(info, func(k uint16, v []byte) error {
		switch k {
		case unix.IFLA_INFO_SLAVE_KIND:
			kind = unix.ByteSliceToString(v)
		case unix.IFLA_INFO_SLAVE_DATA:
			data = v
		}
		return nil
	})
	if err != nil || kind != "bridge" {
		return state, err
	}
	err = wire.EachAttribute(data, func(k uint16, v []byte) error {
		if k == brportState {
			state = kernel.PortState(min(r.Bytes(v, 1)[0], math.MaxUint8-1)) + kernel.PortDisabled
		}
		return r.Err
	})
	return state, err
}

// parseCounters reads struct rtnl_link_stats64 (linux/if_link.h): numbers of eight bytes, of which
// the first 21 are as old as the structure.
func parseCounters(r *wire.Reader, v []byte) kernel.Counters {
	stats := r.Bytes(v, 21*8)
	at := func(i int) uint64 { return wire.Native.Uint64(stats[8*i:]) }
	return kernel.Counters{
		RxPackets: at(0), TxPackets: at(1), RxBytes: at(2), TxBytes: at(3), RxErrors: at(4), TxErrors: at(5), RxDropped: at(6),
		TxDropped: at(7), Collisions: at(9), RxCRCErrors: at(12), RxFIFOErrors: at(14), TxCarrierErrors: at(17),
	}
}

// deviceAddress is an address and the index of its device.
type deviceAddress struct {
	index  int
	prefix netip.Prefix
	leased bool // its life time has an end
}

// forever is the life time of an address that stays (INFINITY_LIFE_TIME).
const forever = 0xffffffff

// parseAddress reads the body of an RTM_NEWADDR message (struct ifaddrmsg). If the address has a
// peer, IFA_LOCAL is the address and IFA_ADDRESS the peer. IPv6 addresses without a peer have no
// IFA_LOCAL.
func parseAddress(body []byte) (found deviceAddress, wanted bool, err error) {
	if len(body) < unix.SizeofIfAddrmsg {
		return found, false, fmt.Errorf("%w: an address of %d bytes", wire.ErrMalformed, len(body))
	}
	family, length := body[0], int(body[1])
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return found, false, nil
	}
	var r wire.Reader
	found.index = r.Int(body[4:])
	var address, local netip.Addr
	err = wire.EachAttribute(body[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) error {
		switch kind {
		case unix.IFA_ADDRESS:
			address = r.Addr(family, v)
		case unix.IFA_LOCAL:
			local = r.Addr(family, v)
		case unix.IFA_CACHEINFO: // struct ifa_cacheinfo: preferred, valid, and when
			found.leased = r.Uint32(r.Bytes(v, 8)[4:]) != forever
		}
		return r.Err
	})
	if !local.IsValid() {
		local = address
	}
	found.prefix = netip.PrefixFrom(local, length)
	if err == nil && !found.prefix.IsValid() {
		err = fmt.Errorf("%w: an address with a prefix of %d bits", wire.ErrMalformed, length)
	}
	return found, err == nil, err
}
