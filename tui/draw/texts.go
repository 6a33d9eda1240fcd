package draw

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nmgre"
	"nmgre/routes/fault"
)

// ErrorText writes an error on one line.
func ErrorText(err error) string {
	return fault.OneLine(err.Error())
}

// Prefixes writes prefixes with spaces between them, or "none".
func Prefixes(list []netip.Prefix) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, " ")
}

// MTUText writes an MTU in bytes; 0 leaves it to the kernel.
func MTUText(mtu uint32) string {
	if mtu == 0 {
		return "the kernel's own"
	}
	return strconv.FormatUint(uint64(mtu), 10)
}

// BytesText writes a number of bytes with a unit, by thousands.
func BytesText(n uint64) string {
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

// TookText writes a duration with few digits.
func TookText(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// StepText writes a step on one line.
func StepText(s nmgre.Event) string {
	out := fault.Printable(s.What)
	if s.Took > 0 {
		out += " (" + TookText(s.Took) + ")"
	}
	if s.Err != nil {
		out += ": " + ErrorText(s.Err)
	}
	return out
}
