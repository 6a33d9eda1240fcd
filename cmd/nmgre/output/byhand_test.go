package output_test

import (
	"net/netip"
	"strings"
	"testing"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// Links that somebody made by hand are told, also those of which NetworkManager knows nothing. A
// device of the kernel's own, another program's, and the link of a profile are not.
func TestByHand(t *testing.T) {
	status := func(name string, state nm.State) nmgre.Status {
		return nmgre.Status{Profile: nm.Profile{State: state, Device: name, Tunnel: nm.Tunnel{Name: name}}}
	}
	link := func(name string) kernel.Link {
		return kernel.Link{Name: name, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100")}}
	}
	fallback, collector := link("gre0"), link("ovs0")
	fallback.GRE.Local, fallback.GRE.Remote = netip.IPv4Unspecified(), netip.IPv4Unspecified()
	collector.GRE.External = true
	var told strings.Builder
	output.ByHand(&told, []nmgre.Status{status("ext", nm.StateExternal), status("gre1", nm.StateActive)},
		[]kernel.Link{{Name: "eth0"}, link("ext"), link("gre1"), link("hm1"), fallback, collector})
	want.Same(t, "told", told.String(), "nmgre: ext was made by hand: nmgre adopt ext makes a profile of it, while it is up\n"+
		"nmgre: hm1 (gre to 100.0.2.100) was made by hand, and NetworkManager has no connection for it: sudo nmgre adopt hm1 makes a profile of it, while it is up\n")
	told.Reset()
	output.ByHand(&told, nil, []kernel.Link{{Name: "eth0"}, fallback})
	want.Same(t, "without any", told.String(), "nmgre: there are no tunnels yet\nhint: nmgre create --peer ADDR --address CIDR makes one\n")
}
