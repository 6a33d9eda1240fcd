// Package sets has the elements of the kernel's nftables sets and maps, and finds keys among them.
//
// Begin with [Of].
package sets

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/gateway/registers"
	"nmgre/routes/netlink/wire"
)

// Elements are the elements of a set, or of a map.
type Elements struct {
	list []nftables.SetElement
	// intervals says that the elements are in order, and that each stands for the keys from its own
	// up to the next one's.
	intervals bool
	// Unknown says that there are others, which cannot be read.
	Unknown bool
}

// Of sorts the elements of a set of intervals. An element without a key stands for any key,
// and one with two keys for an interval in each of several fields.
func Of(list []nftables.SetElement) Elements {
	isReadable := func(e nftables.SetElement) bool { return len(e.Key) > 0 && e.KeyEnd == nil }
	set := Elements{intervals: slices.ContainsFunc(list, func(e nftables.SetElement) bool { return e.IntervalEnd })}
	for _, e := range list {
		if isReadable(e) {
			set.list = append(set.list, e)
		}
	}
	set.Unknown = len(set.list) < len(list)
	if !set.intervals { // the interval from zero to the end of all keys has no other element
		set.Unknown = set.Unknown || slices.ContainsFunc(set.list, func(e nftables.SetElement) bool { return len(bytes.Trim(e.Key, "\x00")) == 0 })
	}
	if set.intervals {
		slices.SortStableFunc(set.list, func(a, b nftables.SetElement) int {
			if c := bytes.Compare(a.Key, b.Key); c != 0 || a.IntervalEnd == b.IntervalEnd {
				return c
			}
			if a.IntervalEnd { // where one interval ends and the next begins
				return -1
			}
			return 1
		})
	}
	return set
}

// Find looks for a key, which may be longer than those of the set, and returns its verdict in a map
// of verdicts.
func (s Elements) Find(key []byte) (*expr.Verdict, registers.Answer) {
	at := slices.IndexFunc(s.list, func(e nftables.SetElement) bool { return bytes.HasPrefix(key, e.Key) })
	if s.intervals {
		at = s.interval(key)
	}
	switch {
	case at >= 0:
		return VerdictOf(s.list[at].Val), registers.Yes
	case s.Unknown:
		return nil, registers.Unsure
	}
	return nil, registers.No
}

// interval returns the index of the element that begins the interval of a key; -1 if there is none.
func (s Elements) interval(key []byte) int {
	next, _ := slices.BinarySearchFunc(s.list, key, func(e nftables.SetElement, key []byte) int {
		if bytes.Compare(e.Key, key[:min(len(e.Key), len(key))]) > 0 {
			return 1
		}
		return -1
	})
	if next == 0 || s.list[next-1].IntervalEnd || len(key) < len(s.list[next-1].Key) {
		return -1
	}
	return next - 1
}

// VerdictOf reads a verdict of a map, which the library leaves encoded. It returns nil if the value
// is not a verdict.
func VerdictOf(value []byte) *expr.Verdict {
	var v *expr.Verdict
	err := wire.EachAttribute(value, func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_VERDICT_CODE:
			if len(value) == 4 {
				v = &expr.Verdict{Kind: expr.VerdictKind(int32(binary.BigEndian.Uint32(value)))} //nolint:gosec // jumps are negative
			}
		case unix.NFTA_VERDICT_CHAIN:
			if v != nil {
				v.Chain = string(bytes.TrimRight(value, "\x00"))
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return v
}
