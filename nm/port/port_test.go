package port_test

import (
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/port"
	"nmgre/routes/kernel"
)

const uuid = "00000000-0000-4000-8000-00000000000a"

// A bridge is found by each name that a person may give it.
func TestResolve(t *testing.T) {
	bridge := func(uuid, id, name string) nm.Profile {
		return nm.Profile{UUID: uuid, ID: id, Bridge: true, State: nm.StateInactive, Tunnel: nm.Tunnel{Name: name}}
	}
	other := "00000000-0000-4000-8000-00000000000b"
	profiles := []nm.Profile{
		{UUID: other, ID: "lan", State: nm.StateActive, Tunnel: nm.Tunnel{Name: "eth1"}},
		bridge(uuid, "Office bridge", "br0"), bridge("00000000-0000-4000-8000-00000000000c", "one", "br1"), bridge("00000000-0000-4000-8000-00000000000d", "two", "br1"),
		{UUID: "00000000-0000-4000-8000-00000000000e", ID: "br9", Bridge: true, State: nm.StateExternal, Tunnel: nm.Tunnel{Name: "br9"}},
	}
	links := []kernel.Link{{Index: 2, Name: "eth1"}, {Index: 3, Name: "br9", Kind: "bridge"}, {Index: 4, Name: "red", Kind: "vrf"}}
	for text, expected := range map[string]string{
		"": "", "br0": "br0", "Office bridge": "br0", uuid: "br0", "br9": "br9", "br1": "br1",
		"two":  "00000000-0000-4000-8000-00000000000d", // two profiles have br1
		"eth1": "error: eth1 is no bridge", "lan": "error: lan is no bridge", other: "error: " + other + " is no bridge",
		"red": "error: red is a VRF and no bridge",
		"br7": "error: there is no bridge br7", "\x1b[2J": `error: there is no bridge \x1b[2J`,
	} {
		got, err := port.Resolve(text, profiles, links)
		if err != nil {
			got = "error: " + err.What
		}
		if got != expected && (err == nil || !strings.HasPrefix(got, expected)) {
			t.Errorf("%q is %q, want %q", text, got, expected)
		}
		if err != nil && (err.Field != "controller" || err.Hint == "") {
			t.Errorf("%q: the error names %q, with the hint %q", text, err.Field, err.Hint)
		}
	}
}

func TestName(t *testing.T) {
	links := []kernel.Link{{Index: 3, Name: "br9"}, {Index: 4, Name: "gre1", Controller: 3}, {Index: 5, Name: "gre2"}}
	for _, c := range []struct{ tunnel, controller, want string }{
		{"gre1", "br0", "br0"}, {"gre1", uuid, "br9"}, {"gre2", uuid, ""}, {"gre3", uuid, ""}, {"gre1", "", ""},
	} {
		if got := port.Name(nm.Tunnel{Name: c.tunnel, Controller: c.controller}, links); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// Each state of a port has its words, and only the one that passes frames is good.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		link  kernel.Link
		want  string
		waits bool
	}{
		{kernel.Link{}, "the port of no bridge", false},
		{kernel.Link{Controller: 4, Port: kernel.PortForwarding}, "the port of another bridge", false},
		{kernel.Link{Controller: 3, Port: kernel.PortForwarding}, "", false},
		{kernel.Link{Controller: 3, Port: kernel.PortListening}, "does not let frames pass yet (listening)", true},
		{kernel.Link{Controller: 3, Port: kernel.PortLearning}, "(learning)", true},
		{kernel.Link{Controller: 3, Port: kernel.PortBlocking}, "keeps the port blocked", false},
		{kernel.Link{Controller: 3, Port: kernel.PortDisabled}, "has the port disabled", false},
		{kernel.Link{Controller: 3}, "its controller is no bridge", false},
		{kernel.Link{Controller: 3, Port: 99}, "its controller is no bridge", false},
	} {
		problem, _, waits := port.Judge(c.link, 3)
		if !strings.Contains(problem, c.want) || (problem == "") != (c.want == "") || waits != c.waits {
			t.Errorf("%+v: %q, %v", c.link, problem, waits)
		}
	}
}
