package cause

import (
	"fmt"
	"slices"

	"nmgre/nm/verify/words"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// otherMode is for a far end whose tunnel is of the other kind. This host may have such a tunnel
// that is down.
var otherMode = row{
	Cause: Cause{"mode-mismatch", Likely, "one end's tunnel carries Ethernet frames (gretap), and the other end's IP packets (gre)",
		"sudo tcpdump -ni any -v proto 47 (TEB is Ethernet); ip -d link show dev NAME"},
	when: func(ev Evidence) bool { return len(ev.came(ev.ofOtherMode)) > 0 },
	tell: func(ev Evidence) said {
		p, carries, mode := ev.came(ev.ofOtherMode)[0], "IP packets", ev.twinMode()
		if mode.Ethernet() {
			carries = "Ethernet frames"
		}
		return said{summary: fmt.Sprintf("the far end sends %s, as a tunnel of the mode %s, and this tunnel's mode is %s", carries, mode, ev.Tunnel.Mode), evidence: words.PacketText(p),
			here: ev.edit("--mode " + mode.String()), there: farEdit("--mode " + ev.Tunnel.Mode.String()), facts: Facts{"mode": ev.Tunnel.Mode.String(), "mode_seen": mode.String(), "protocol": int(p.Protocol)}}
	},
}

// ofOtherMode reports whether a packet of the far end is this tunnel's but for its kind, and no
// other tunnel of this host takes it. Frames without addresses, such as those of ARP, may be
// anyone's.
func (ev Evidence) ofOtherMode(p kernel.Packet) bool {
	in, _ := ev.Keys()
	known := slices.Contains([]uint16{gre.ProtocolIPv4, gre.ProtocolIPv6, gre.ProtocolEthernet}, p.Protocol)
	belongs := !p.InnerFrom.IsValid() || ev.carriesOurs(p) || ev.isBehind(p.InnerFrom, 1)
	return belongs && ev.between(p) && p.Version == 0 && known && !ev.sameKind(p) && gre.SameKey(p.Key, in) && !ev.sibling(p)
}

// twinMode is the mode over the same outer addresses that carries the other kind.
func (ev Evidence) twinMode() gre.Mode {
	twins := map[gre.Mode]gre.Mode{gre.ModeGRE: gre.ModeGRETAP, gre.ModeGRETAP: gre.ModeGRE, gre.ModeIP6GRE: gre.ModeIP6GRETAP, gre.ModeIP6GRETAP: gre.ModeIP6GRE}
	return twins[ev.Tunnel.Mode]
}
