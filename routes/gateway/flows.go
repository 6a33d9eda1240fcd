package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes/netlink/wire"
)

// The library finds the byte order at its first use. Two first uses at once would be a race.
var _ = nl.NativeEndian()

// flow is a connection of the connection tracking table, as its first packet leaves this host.
type flow struct {
	from   netip.Addr // its source before SNAT
	to     netip.Addr // its destination after any DNAT
	source netip.Addr // its source after SNAT
	natted bool       // it went through SNAT, which may have left the source as it was
	raw    []byte     // the kernel's message, which deletes it
}

// dropFlows removes the flows to which the new rules would do something else, if an old or a new
// rule matches them, from the connection tracking table. Without that they would go on as before,
// because the kernel applies NAT rules only to the first packet of a flow.
func dropFlows(ctx context.Context, old, now map[chain][]snat) error {
	const attempt = "drop the connections that SNAT changes"
	for _, c := range []chain{snat4, snat6} {
		if len(old[c])+len(now[c]) == 0 {
			continue
		}
		stale, err := selectFlows(c, func(f flow) bool { return isStale(f, old[c], now[c]) })
		if untracked(err) {
			return nil
		}
		if err != nil {
			return failed(attempt, err)
		}
		known := make(ways)
		for _, f := range stale {
			if err := ctx.Err(); err != nil {
				return err
			}
			if rule := first(now[c], f); rule != nil && !f.natted && known.stays(rule.dev, f.to) {
				continue
			}
			if err := f.drop(); err != nil {
				return failed(attempt, err)
			}
		}
	}
	return nil
}

// selectFlows reads the table, which may be large, and returns the wanted flows.
func selectFlows(c chain, wanted func(flow) bool) (list []flow, err error) {
	req := conntrackRequest(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP, c)
	err = req.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if f, ok := readFlow(message); ok && wanted(f) {
			f.raw = slices.Clone(message) // the reader uses the message's memory again
			list = append(list, f)
		}
		return true
	})
	// The table changed meanwhile. That does no harm: new connections follow the new rules.
	if errors.Is(err, nl.ErrDumpInterrupted) {
		err = nil
	}
	return list, err
}

// first returns the first rule that matches a flow's addresses, which decides; nil if none does.
func first(rules []snat, f flow) *snat {
	for i, r := range rules {
		if r.inner.Contains(f.from) && r.dst.Contains(f.to) {
			return &rules[i]
		}
	}
	return nil
}

// isStale reports whether the new rules would do something else to the flow. Our rules cannot
// change the NAT of other programs.
func isStale(f flow, old, now []snat) bool {
	was, is := first(old, f), first(now, f)
	switch {
	case is == nil && was == nil:
		return false
	case is == nil: // ours goes
		return f.natted && (!was.source.IsValid() || f.source == was.source)
	case is.source.IsValid():
		return f.source != is.source
	case was != nil && was.source.IsValid():
		return !f.natted || f.source == was.source
	}
	return !f.natted
}

// ways remembers, for a device and a destination, whether packets to the destination stay on this
// host or leave by the device. The rules exempt such packets.
type ways map[way]bool

type way struct {
	dev string
	to  netip.Addr
}

func (w ways) stays(dev string, to netip.Addr) bool {
	key := way{dev, to}
	stays, known := w[key]
	if !known {
		stays = staysNow(dev, to)
		w[key] = stays
	}
	return stays
}

// staysNow asks the kernel (RTM_GETROUTE). It returns false for a destination without a route: then
// dropping the flow loses nothing.
func staysNow(dev string, to netip.Addr) bool {
	ask := wire.Route{Family: wire.FamilyOf(to), Dst: netip.PrefixFrom(to, to.BitLen())}
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, 0)
	req.AddRawData(ask.Encode())
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err != nil || len(answers) == 0 {
		return false
	}
	route, err := wire.ParseRoute(answers[0])
	if err != nil {
		return false
	}
	return route.Type == unix.RTN_LOCAL || route.Device == indexOf(dev) && route.Device != 0
}

// indexOf returns the index of a device, or 0 if there is none of that name.
func indexOf(dev string) int { return indexesOf([]string{dev})[dev] }

// conntrackRequest begins a message to the connection tracking table, as in
// linux/netfilter/nfnetlink_conntrack.h.
func conntrackRequest(kind, flags int, c chain) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|kind, flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: uint8(c.family), Version: nl.NFNETLINK_V0})
	return req
}

// readFlow reads a message of the kernel about a flow. It returns false if the message is
// malformed, or if an address is missing.
func readFlow(message []byte) (f flow, ok bool) {
	if len(message) < nl.SizeofNfgenmsg {
		return f, false
	}
	err := wire.EachAttribute(message[nl.SizeofNfgenmsg:], func(kind uint16, value []byte) (err error) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			f.from, _, err = addresses(value)
		case nl.CTA_TUPLE_REPLY:
			f.to, f.source, err = addresses(value)
		case nl.CTA_STATUS:
			const srcNAT = 1 << 4 // IPS_SRC_NAT
			f.natted = len(value) == 4 && binary.BigEndian.Uint32(value)&srcNAT != 0
		}
		return err
	})
	f.raw = message
	return f, err == nil && f.from.IsValid() && f.to.IsValid() && f.source.IsValid()
}

// addresses returns the addresses in a tuple of the connection tracking table.
func addresses(tuple []byte) (source, destination netip.Addr, err error) {
	err = wire.EachAttribute(tuple, func(kind uint16, part []byte) error {
		if kind != nl.CTA_TUPLE_IP {
			return nil
		}
		return wire.EachAttribute(part, func(kind uint16, ip []byte) error {
			switch kind {
			case nl.CTA_IP_V4_SRC, nl.CTA_IP_V6_SRC:
				source, _ = netip.AddrFromSlice(ip)
			case nl.CTA_IP_V4_DST, nl.CTA_IP_V6_DST:
				destination, _ = netip.AddrFromSlice(ip)
			}
			return nil
		})
	})
	return source, destination, err
}

// drop removes the flow. The message has the flow's number, so it cannot remove a later flow with
// the same addresses. It is no error when the flow is already gone.
func (f flow) drop() error {
	c := snat4
	if f.from.Is6() {
		c = snat6
	}
	req := conntrackRequest(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK, c)
	req.AddRawData(f.raw[nl.SizeofNfgenmsg:])
	if _, err := req.Execute(unix.NETLINK_NETFILTER, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// untracked reports whether err means that this kernel tracks no connections.
func untracked(err error) bool {
	if err == nil {
		return false
	}
	_, noTable := os.Stat("/proc/sys/net/netfilter/nf_conntrack_count")
	return errors.Is(noTable, fs.ErrNotExist)
}
