package shells

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"nmgre/nm"
	"nmgre/routes/gre"
)

// Interfaces come first; a profile's name is offered where it alone begins so, and nothing that a
// shell acts on.
func TestTunnels(t *testing.T) {
	var profiles []nm.Profile
	for name, id := range map[string]string{"gre1": "gre1", "gre2": "My tunnel: A", "tun3": "paris:rome", "tun4": "paris:oslo", "tun5": "two words", "tun6": "two more", "tun7": "$(reboot)", "tun8": "esc\x1b[2J", "a b": "a b"} {
		profiles = append(profiles, nm.Profile{ID: id, State: nm.StateActive, Tunnel: nm.Tunnel{Name: name, Mode: gre.ModeGRE, Remote: netip.MustParseAddr("100.0.2.100")}})
	}
	profiles = append(profiles, nm.Profile{ID: "Wired", Tunnel: nm.Tunnel{Name: "eth0"}})
	for prefix, want := range map[string]string{
		"gre": "gre1|gre2", "My": "My tunnel: A", "My t": "My tunnel: A", "paris": "paris:oslo|paris:rome", "paris:r": "paris:rome",
		"two": "", "two m": "two more", "$": "", "esc": "", "a": "a b", "W": "", "": "gre1|gre2|tun3|tun4|tun5|tun6|tun7|tun8",
	} {
		var got []string
		for _, offer := range Tunnels(profiles, prefix) {
			name, about, _ := strings.Cut(offer, "\t")
			if about != "active, to 100.0.2.100" {
				t.Errorf("%q: %q", prefix, offer)
			}
			got = append(got, name)
		}
		slices.Sort(got)
		if said := strings.Join(got, "|"); said != want {
			t.Errorf("%q: %q, want %q", prefix, said, want)
		}
	}
}

// fish completes a word that has quotes in it: cobra's script has the place that is mended.
func TestFish(t *testing.T) {
	root := &cobra.Command{Use: "nmgre"}
	var out bytes.Buffer
	root.AddCommand(Command(&out))
	root.SetArgs([]string{"completion", "fish"})
	if err := root.Execute(); err != nil || strings.Count(out.String(), fishMeant) != 1 || strings.Contains(out.String(), fishTyped) {
		t.Errorf("%v\n%s", err, out.String())
	}
}
