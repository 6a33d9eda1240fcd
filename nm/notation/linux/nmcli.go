package linux

import (
	"strings"

	"nmgre/nm/nmcli"
	"nmgre/nm/notation"
)

// Nmcli is a line of nmcli, of NetworkManager 1.42 and later: nmcli(1) and nm-settings-nmcli(5).
var Nmcli = notation.Kind{
	Name: "nmcli", Title: "nmcli",
	Words: func() map[string]string {
		return map[string]string{"--controller": "connection.master", "--parent": "ip-tunnel.parent", "--peer-address": "ipv4.routes", "--address": "ipv4.addresses or ipv6.addresses"}
	},
	Holds: notation.Holds{Modes: allModes, Keys: notation.TwoKeys,
		Can: everything&^notation.CanAnyRoute | profileRoutes | notation.CanFlags | notation.CanBridgeUUID | notation.CanZone | notation.CanManual | notation.CanRule | notation.CanAnyRule,
		Why: profileReasons},
	Write: writeNmcli,
	Read:  readNmcli,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "nmcli ", "sudo nmcli ", "/usr/bin/nmcli ")
	},
}

func writeNmcli(l notation.Link) string {
	p := notation.NewPage("#", "nmcli", l.Near)
	t := l.Near.Tunnel
	line := nmcli.Add(t)
	if t.TTL == 0 { // the default, which a reader should not have to know
		before := " ipv4.method"
		if t.Controller != "" { // a port has no IPv4
			before = " connection.slave-type"
		}
		line = strings.Replace(line, before, " ip-tunnel.ttl 0"+before, 1)
	}
	p.Line("%s", line)
	p.MSS(t)
	return p.String()
}
