// Package conntrack is the kernel's table of the connections that it tracks, of which NAT is a
// part.
//
// Begin with [Flows].
package conntrack

import (
	"cmp"
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

// Flow is a connection of the connection tracking table, as its first packet leaves this host.
type Flow struct {
	From   netip.Addr // its source before SNAT
	To     netip.Addr // its destination after any DNAT
	Source netip.Addr // its source after SNAT
	Natted bool       // it went through SNAT, which may have left the source as it was
	ID     uint32     // the kernel's number of it; a later flow with the same addresses has another
	echo   bool       // it is of ICMP's or ICMPv6's
	left   uint32     // seconds after which the kernel forgets it, if no more packets follow
	raw    []byte     // the kernel's message, which deletes it
}

// Latest returns, of flows with the same addresses, those of the echo that was sent last, to the
// second: the kernel has the longest time left for them. It returns all flows if none is of an
// echo.
func Latest(list []Flow) []Flow {
	echoes := slices.DeleteFunc(slices.Clone(list), func(f Flow) bool { return !f.echo })
	if len(echoes) == 0 {
		return list
	}
	most := slices.MaxFunc(echoes, func(a, b Flow) int { return cmp.Compare(a.left, b.left) }).left
	return slices.DeleteFunc(echoes, func(f Flow) bool { return f.left < most })
}

// Flows reads the table of a family, AF_INET or AF_INET6, which may be large, and returns the
// wanted flows. The error is the kernel's.
func Flows(family uint8, wanted func(Flow) bool) (list []Flow, err error) {
	req := request(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP, family)
	err = req.ExecuteIter(unix.NETLINK_NETFILTER, 0, func(message []byte) bool {
		if f, ok := read(message); ok && wanted(f) {
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

// Sources returns the sources that connections between two addresses have got: of echoes those of
// the last one, since an echo before it may have gone by older rules. A kernel that tracks nothing
// has none. The error is the kernel's.
func Sources(from, to netip.Addr) (list []netip.Addr, err error) {
	family := uint8(unix.AF_INET)
	if from.Is6() {
		family = unix.AF_INET6
	}
	flows, err := Flows(family, func(f Flow) bool { return f.From == from && f.To == to })
	if err != nil && !Untracked(err) {
		return nil, err
	}
	for _, f := range Latest(flows) {
		if !slices.Contains(list, f.Source) {
			list = append(list, f.Source)
		}
	}
	return list, nil
}

// request begins a message to the connection tracking table, as in
// linux/netfilter/nfnetlink_conntrack.h.
func request(kind, flags int, family uint8) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|kind, flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return req
}

// read reads a message of the kernel about a flow. It returns false if the message is
// malformed, or if an address is missing.
func read(message []byte) (f Flow, ok bool) {
	if len(message) < nl.SizeofNfgenmsg {
		return f, false
	}
	err := wire.EachAttribute(message[nl.SizeofNfgenmsg:], func(kind uint16, value []byte) (err error) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			f.From, _, err = addresses(value)
			f.echo = isEcho(value)
		case nl.CTA_TUPLE_REPLY:
			f.To, f.Source, err = addresses(value)
		case nl.CTA_ID:
			if len(value) == 4 {
				f.ID = binary.BigEndian.Uint32(value)
			}
		case nl.CTA_TIMEOUT:
			if len(value) == 4 {
				f.left = binary.BigEndian.Uint32(value)
			}
		case nl.CTA_STATUS:
			const srcNAT = 1 << 4 // IPS_SRC_NAT
			f.Natted = len(value) == 4 && binary.BigEndian.Uint32(value)&srcNAT != 0
		}
		return err
	})
	f.raw = message
	return f, err == nil && f.From.IsValid() && f.To.IsValid() && f.Source.IsValid()
}

// isEcho reports whether a tuple of the connection tracking table is of ICMP or ICMPv6, of which
// the kernel tracks echoes.
func isEcho(tuple []byte) (echo bool) {
	_ = wire.EachAttribute(tuple, func(kind uint16, part []byte) error {
		if kind != nl.CTA_TUPLE_PROTO {
			return nil
		}
		return wire.EachAttribute(part, func(kind uint16, number []byte) error {
			echo = echo || kind == nl.CTA_PROTO_NUM && len(number) == 1 && (number[0] == unix.IPPROTO_ICMP || number[0] == unix.IPPROTO_ICMPV6)
			return nil
		})
	})
	return echo
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

// Drop removes the flow. The message has the flow's number, so it cannot remove a later flow with
// the same addresses. It is no error when the flow is already gone.
func (f Flow) Drop() error {
	req := request(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK, wire.FamilyOf(f.From))
	req.AddRawData(f.raw[nl.SizeofNfgenmsg:])
	if _, err := req.Execute(unix.NETLINK_NETFILTER, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// Untracked reports whether an error of Flows means that this kernel tracks no connections.
func Untracked(err error) bool {
	if err == nil {
		return false
	}
	_, noTable := os.Stat("/proc/sys/net/netfilter/nf_conntrack_count")
	return errors.Is(noTable, fs.ErrNotExist)
}
