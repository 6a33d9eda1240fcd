package doctor

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
)

// Names shortens private words. Equal addresses stay equal: each gets a number, in the order in
// which they are met. The zero value is ready.
type Names struct{ numbers map[netip.Addr]int }

// Address shortens an address: 203.0.113.7 becomes "203.x#1", and 2001:db8::1 "2001:x#2". The
// beginning of an address for special use stays, too: it tells the block and nothing else.
func (n *Names) Address(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return ""
	case a.IsUnspecified():
		return "any"
	}
	a = a.Unmap().WithZone("")
	number, known := n.numbers[a]
	if !known {
		if n.numbers == nil {
			n.numbers = make(map[netip.Addr]int)
		}
		number = len(n.numbers) + 1
		n.numbers[a] = number
	}
	if a.Is4() {
		return fmt.Sprintf("%d.x#%d", a.As4()[0], number)
	}
	b := a.As16()
	return fmt.Sprintf("%x:x#%d", int(b[0])<<8|int(b[1]), number)
}

// Prefix shortens an address with its prefix length.
func (n *Names) Prefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return fmt.Sprintf("%s/%d", n.Address(p.Addr()), p.Bits())
}

var (
	uuid = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	})
	mac   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)\b[0-9a-f]{2}([:-][0-9a-f]{2}){5,}\b`) })
	path  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(^|[\s"'(=])(/[^\s,;:'")]*)`) })
	maybe = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[0-9A-Fa-f:.]*[.:][0-9A-Fa-f:.]*[0-9A-Fa-f:]`) })
)

// known are the folders whose paths say nothing about a host or its people.
var known = []string{"/etc/NetworkManager/", "/etc/nmgre", "/etc/systemd/system", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/", "/usr/share/polkit-1/",
	"/run/nmgre", "/proc/", "/sys/", "/lib/modules"}

// shortPath shortens a path, with the character before it, unless it is below one of these folders.
func shortPath(found string) string {
	at := strings.IndexByte(found, '/')
	for _, folder := range known {
		if strings.HasPrefix(found[at:]+"/", folder) {
			return found
		}
	}
	return found[:at] + "/..."
}

// Text shortens the private words in a text of nmgre's own, such as a path in an error: UUIDs, MAC
// addresses, IP addresses, and paths of people's own.
func (n *Names) Text(text string) string {
	text = path().ReplaceAllStringFunc(text, shortPath)
	text = uuid().ReplaceAllString(text, "UUID")
	text = mac().ReplaceAllString(text, "MAC")
	return maybe().ReplaceAllStringFunc(text, func(word string) string {
		bare := strings.TrimSuffix(word, ":")
		if a, err := netip.ParseAddr(bare); err == nil {
			return n.Address(a) + word[len(bare):]
		}
		return word
	})
}

// release finds the number at the beginning of a kernel's release, and then the rest.
var release = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`) })

// Release returns the release of a kernel, and only its number if the rest has one of the host's
// own names: people name kernels of their own after their hosts.
func Release(text string, names ...string) string {
	number := release().FindString(text)
	lower := strings.ToLower(text)
	for _, name := range names {
		for label := range strings.SplitSeq(strings.ToLower(name), ".") { // a host's may have its domain
			if len(label) > 1 && strings.Contains(lower, label) {
				return number
			}
		}
	}
	for _, r := range text {
		if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._+~-", r) {
			return number
		}
	}
	if len(text) > 64 || strings.Contains(text, "@") {
		return number
	}
	return text
}
