package wire

import (
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// All inner addresses of the far end are kept in the profile's user data, and a list that nobody
// can have meant is refused.
func TestMorePeers(t *testing.T) {
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Mode, tunnel.Remote, tunnel.Addresses = "gre1", gre.ModeGRE, want.Addr("100.0.2.100"), want.CIDRs("169.254.10.1/29")
	tunnel.PeerAddress = want.Addr("169.254.10.2")
	tunnel.MorePeers = append(tunnel.MorePeers, want.Addr("169.254.10.3"), want.Addr("169.254.10.4"))
	s := Encode(tunnel, nil)
	got, err := Decode(s)
	if err != nil || nm.AddrTexts(got.Peers()) != "169.254.10.2, 169.254.10.3, 169.254.10.4" {
		t.Fatalf("%s, %v", nm.AddrTexts(got.Peers()), err)
	}
	tunnel.MorePeers = nil
	if again, err := Decode(Encode(tunnel, s)); err != nil || len(again.MorePeers) != 0 {
		t.Errorf("an edit that takes them away leaves %v, %v", again.MorePeers, err)
	}
	for text, problem := range map[string]string{
		"169.254.10.3 x":                         "is not an IP address",
		"169.254.10.03":                          "is not an IP address",
		"\x1b[31m":                               `\x1b[31m`,
		strings.Repeat("169.254.10.3 ", 100_000): "100001 addresses are more than the 16 allowed",
	} {
		forged := s.Clone()
		forged.setUser(KeyMorePeers, text)
		if _, err := Decode(forged); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	forged := s.Clone()
	forged.setUser(KeyPeer, "")
	if got, err := Decode(forged); err != nil || len(got.Peers()) != 0 {
		t.Errorf("without the main one there are %v, %v", got.Peers(), err)
	}
}
