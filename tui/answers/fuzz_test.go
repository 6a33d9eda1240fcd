package answers

import (
	"slices"
	"testing"

	"nmgre/nm/nmcli"
	"nmgre/routes/fault"
)

// FuzzAnswers types any text into each field. It becomes a part of a tunnel, or its field complains
// with a text that is safe to show; the commands for the tunnel are safe to show as well.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{"100.0.2.7", "172.16.0.1/30", "fd00::1/64, 172.17.0.1/24", "0x2a", "0.0.0.7", "inherit", "1400", "10.20.0.0/16 table vpn",
		"10.10.1.0/24=masquerade", "-x", "\x1b[31m", "\xff", "::1%eth0", "gre1", "$(id)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, id := range []string{"peer", "address", "more", "input-key", "ttl", "tos", "mtu", "route", "snat", "name"} {
			a := New(known)
			a.typed(id, text)
			tunnel, bad := a.Tunnel()
			for _, b := range bad {
				if words := append(fault.Hints(b.err), b.err.Error()); slices.ContainsFunc(words, func(s string) bool { return !fault.IsPrintable(fault.Escaped(s)) }) {
					t.Errorf("%s: %q", id, words)
				}
			}
			if len(bad) == 0 && tunnel.Remote.IsValid() && tunnel.Validate() == nil {
				for _, command := range append(tunnel.IPCommands(), nmcli.Add(tunnel), tunnel.CreateCommand()) {
					if !fault.IsPrintable(command) {
						t.Errorf("%s: %q", id, command)
					}
				}
			}
		}
	})
}
