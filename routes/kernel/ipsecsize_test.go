package kernel

import (
	"strings"
	"testing"
)

// The bytes that IPsec leaves of 1,500: the values of the kernel (xfrm_state_mtu), which its own
// tests and a packet of that size confirm.
func TestIPsecCarries(t *testing.T) {
	esp := func(mode, cipher, hash string, icv int) IPsecState {
		return IPsecState{Protocol: "esp", Mode: mode, Cipher: cipher, Hash: hash, ICV: icv}
	}
	of := func(s IPsecState, change func(*IPsecState)) IPsecState { change(&s); return s }
	const sha, gcm = "hmac(sha256)", "rfc4106(gcm(aes))"
	v6 := func(s *IPsecState) { s.IPv6 = true }
	for _, test := range []struct {
		state IPsecState
		want  int
	}{
		// 1500 - 20 - 8 - 16 - 16 = 1440, of which 1440 are whole blocks, less 2, with 20 again
		{esp("transport", "cbc(aes)", sha, 16), 1458},
		{esp("tunnel", "cbc(aes)", sha, 16), 1438},
		{esp("transport", "cbc(aes)", "hmac(sha1)", 12), 1458},
		{esp("transport", gcm, "", 16), 1466},
		{esp("tunnel", gcm, "", 16), 1446},
		{esp("transport", "ecb(cipher_null)", "", 0), 1490},
		{of(esp("transport", "cbc(aes)", sha, 16), func(s *IPsecState) { s.Encap = "udp" }), 1442},
		{of(esp("tunnel", gcm, "", 16), func(s *IPsecState) { s.Encap = "udp" }), 1438},
		{of(esp("transport", "cbc(aes)", sha, 16), v6), 1446},
		{of(esp("tunnel", gcm, "", 16), v6), 1426},
		{IPsecState{Protocol: "ah", Mode: "transport", Hash: sha, ICV: 16}, 1468},
		{IPsecState{Protocol: "ah", Mode: "transport", Hash: sha, ICV: 16, Align4: true}, 1472},
		{IPsecState{Protocol: "ah", Mode: "tunnel", Hash: sha, ICV: 12}, 1456},
		{IPsecState{Protocol: "comp", Mode: "transport"}, 1500},
	} {
		if got, why := test.state.Carries(1500); got != test.want || why != "" {
			t.Errorf("%s (IPv6 %v): %d, %q; want %d", test.state, test.state.IPv6, got, why, test.want)
		}
	}
	for text, s := range map[string]IPsecState{
		"mode beet": esp("beet", gcm, "", 16), `cipher "x"`: esp("tunnel", "x", "", 0), `hash "y"`: esp("tunnel", gcm, "y", -1), "protocol hao": {Protocol: "hao", Mode: "tunnel"},
		"encapsulation number 7": of(esp("tunnel", gcm, "", 16), func(s *IPsecState) { s.Encap = "number 7" }),
	} {
		if _, why := s.Carries(1500); !strings.Contains(why, text) {
			t.Errorf("%s: %q; want %q", s, why, text)
		}
	}
	if got, _ := esp("tunnel", gcm, "", 16).Carries(10); got != 0 {
		t.Errorf("of ten bytes %d", got)
	}
}

// Nested protections are summed from the outermost one on, and a missing state or an unknown cipher
// is told.
func TestPolicyCarries(t *testing.T) {
	esp := IPsecState{Protocol: "esp", Mode: "tunnel", Cipher: "rfc4106(gcm(aes))", ICV: 16}
	ah := IPsecState{Protocol: "ah", Mode: "transport", Hash: "hmac(sha1)", ICV: 12}
	by := func(states ...IPsecState) IPsecTemplate {
		return IPsecTemplate{Protocol: states[0].Protocol, Mode: states[0].Mode, State: true, States: states}
	}
	slow := esp
	slow.Encap = "udp"
	for _, test := range []struct {
		name   string
		policy *IPsecPolicy
		want   int
		why    string
	}{
		{"none", nil, 1500, ""},
		{"it blocks", &IPsecPolicy{Block: true, Templates: []IPsecTemplate{by(esp)}}, 1500, ""},
		{"nested", &IPsecPolicy{Templates: []IPsecTemplate{by(esp), by(ah)}}, 1422, ""},
		{"two states", &IPsecPolicy{Templates: []IPsecTemplate{by(esp, slow)}}, 1438, ""},
		{"another way", &IPsecPolicy{Templates: []IPsecTemplate{by(esp)}, WayMTU: 1400}, 1346, ""},
		{"a wider way", &IPsecPolicy{Templates: []IPsecTemplate{by(esp)}, WayMTU: 9000}, 1500, ""},
		{"optional without a state", &IPsecPolicy{Templates: []IPsecTemplate{{Protocol: "esp", Mode: "tunnel", Optional: true}}}, 1500, ""},
		{"without a state", &IPsecPolicy{Templates: []IPsecTemplate{{Protocol: "esp", Mode: "tunnel"}}}, 1500, "there is no state"},
		{"an unknown cipher", &IPsecPolicy{Templates: []IPsecTemplate{by(IPsecState{Protocol: "esp", Mode: "tunnel", Cipher: "rot13"})}}, 1500, "rot13"},
	} {
		if got, why := test.policy.Carries(1500); got != test.want || (why == "") != (test.why == "") || !strings.Contains(why, test.why) {
			t.Errorf("%s: %d, %q; want %d, %q", test.name, got, why, test.want, test.why)
		}
	}
}
