package byhand

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// Attributes of a device's settings of IPv4, from linux/if_link.h and linux/ip.h.
const (
	inetConf = 1 // IFLA_INET_CONF
	rpFilter = 8 // IPV4_DEVCONF_RP_FILTER
)

// loosen has the link that stands in check the sources of packets loosely where b's checks them
// strictly: packets come in by it as soon as it is up, and its routes are set one after another.
func (h Hands) loosen(ctx context.Context, b kernel.ByHand, index uint32) error {
	if !isStrict("all") && !isStrict(b.Link.Name) { // the kernel takes the larger one
		return nil
	}
	return send(ctx, unix.RTM_NEWLINK, 0, looseFilter(index))
}

// looseFilter returns the message that sets the reverse path filter of a link to 2, loose.
func looseFilter(index uint32) []byte {
	const loose = 2
	conf := wire.AppendUint32(nil, rpFilter, loose)
	family := wire.AppendAttribute(nil, unix.AF_INET, wire.AppendAttribute(nil, inetConf, conf))
	body := make([]byte, unix.SizeofIfInfomsg)
	wire.Native.PutUint32(body[4:], index)
	return wire.AppendAttribute(body, unix.IFLA_AF_SPEC, family)
}

// isStrict says whether rp_filter of a device, or of all, is 1.
func isStrict(dev string) bool {
	text, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", filepath.Base(dev), "rp_filter"))
	return err == nil && strings.TrimSpace(string(text)) == "1"
}
