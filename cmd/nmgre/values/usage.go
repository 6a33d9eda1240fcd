package values

// LinkUsage is the usage of the flags for options of the link, which NetworkManager cannot hold.
var LinkUsage = map[string]string{
	"multicast": "keep the device's flag MULTICAST on, which some routing daemons want",
	"ignore-df": "ignore the DF bit of inner packets, so that large ones go out in fragments, for gre and gretap; sets --no-pmtud and --ttl inherit",
	"checksum":  "send GRE checksums, and demand them of the far end",
	"sequence":  "send GRE sequence numbers, and demand them of the far end",
}
