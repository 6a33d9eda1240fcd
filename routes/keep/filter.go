package keep

// ReversePathFilter is the kernel's settings of the filter for the IPv4 packets that come in by a
// device: 0 is off, 1 strict, which wants the route back to a packet's source to lead by the same
// device (RFC 3704, section 2.2), and 2 loose, which wants any route (section 2.4).
type ReversePathFilter struct {
	Own int // net.ipv4.conf.DEV.rp_filter
	All int // net.ipv4.conf.all.rp_filter
}

// Mode returns the setting that counts: the greater one.
func (f ReversePathFilter) Mode() int { return max(f.Own, f.All) }

// String returns the setting that counts in words.
func (f ReversePathFilter) String() string {
	switch f.Mode() {
	case 0:
		return "off (0)"
	case 1:
		return "strict (1)"
	}
	return "loose (2)"
}
