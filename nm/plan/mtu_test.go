package plan_test

import (
	"strings"
	"testing"

	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
)

// The MTU of a new tunnel counts the bytes that IPsec takes, or the plan says that it cannot.
func TestMTUWithIPsec(t *testing.T) {
	gcm := []kernel.IPsecState{{Protocol: "esp", Mode: "transport", Cipher: "rfc4106(gcm(aes))", ICV: 16}}
	for _, test := range []struct {
		name     string
		template kernel.IPsecTemplate
		given    uint32
		mtu      uint32
		note     string
	}{
		{"counted", kernel.IPsecTemplate{Protocol: "esp", Mode: "transport", State: true, States: gcm}, 0, 1442, "takes 34 bytes of a packet of 1500 (esp transport rfc4106(gcm(aes)))"},
		{"arithmetic", kernel.IPsecTemplate{Protocol: "esp", Mode: "transport", State: true, States: gcm}, 0, 1442, "1500 - 34 (IPsec) - 20 (IPv4) - 4 (GRE) = 1442"},
		{"given", kernel.IPsecTemplate{Protocol: "esp", Mode: "transport", State: true, States: gcm}, 1476, 1476, "an MTU of 1476 does not fit"},
		{"without a state", kernel.IPsecTemplate{Protocol: "esp", Mode: "transport"}, 0, 1476, "the MTU cannot count it: there is no state"},
		{"optional", kernel.IPsecTemplate{Protocol: "esp", Mode: "transport", Optional: true, State: true, States: gcm}, 0, 1442, "optional (level use)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, tunnel := fake.NewWorld(), fake.Simple(t)
			tunnel.MTU = test.given
			w.Policies.Out = &kernel.IPsecPolicy{Templates: []kernel.IPsecTemplate{test.template}}
			planned, err := w.Start().Host().Plan(t.Context(), tunnel)
			if err != nil || planned.Tunnel.MTU != test.mtu || !strings.Contains(strings.Join(planned.Notes, "\n"), test.note) {
				t.Errorf("MTU %d, %v, notes %q; want %d, %q", planned.Tunnel.MTU, err, planned.Notes, test.mtu, test.note)
			}
		})
	}
}
