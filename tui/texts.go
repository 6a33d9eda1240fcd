package tui

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
)

// errorText is an error on one line.
func errorText(err error) string {
	return fault.Printable(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
}

func prefixes(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, " ")
}

func mtuText(mtu uint32) string {
	if mtu == 0 {
		return "the kernel's own"
	}
	return strconv.FormatUint(uint64(mtu), 10)
}

// bytesText writes a number of bytes with a unit, by thousands.
func bytesText(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 999.95 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", value, units[unit])
}

// tookText keeps a duration readable.
func tookText(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// stepText is a step on one line.
func stepText(s nmgre.Event) string {
	out := fault.Printable(s.What)
	if s.Took > 0 {
		out += " (" + tookText(s.Took) + ")"
	}
	if s.Err != nil {
		out += ": " + errorText(s.Err)
	}
	return out
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func versionText(v nm.Version) string {
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro)
}
