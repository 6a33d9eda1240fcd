package calls

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// obedient is a NetworkManager that does everything.
type obedient struct{ nm.Profiles }

func (obedient) Add(context.Context, string, nm.Tunnel) error { return nil }
func (obedient) Activate(context.Context, string) error       { return nil }
func (obedient) List(context.Context) ([]nm.Profile, error) {
	return []nm.Profile{{UUID: "2", ID: "branch", Tunnel: nm.Tunnel{Name: "gre2", Mode: 1}}}, nil
}

// silent is a kernel whose probes are not answered.
type silent struct {
	kernel.Kernel
	err error
}

func (s silent) Probe(context.Context, kernel.Probe) (kernel.ProbeResult, error) {
	return kernel.ProbeResult{Sent: 1}, s.err
}

// Profiles are named by their names as soon as these are known.
func TestCallsNameProfiles(t *testing.T) {
	var said []string
	p := Profiles(obedient{}, func(e nmgre.Event) { said = append(said, e.What) })
	_ = p.Activate(t.Context(), "2")
	_, _ = p.List(t.Context())
	_ = p.Activate(t.Context(), "2")
	_ = p.Add(t.Context(), "1", nm.Tunnel{Name: "gre1"})
	_ = p.Activate(t.Context(), "1")
	want := []string{"D-Bus: ActivateConnection 2", "D-Bus: ActivateConnection branch (2)", "D-Bus: Settings.AddConnection2 gre1", "D-Bus: ActivateConnection gre1"}
	if !slices.Equal(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}

// A probe that nobody waits for any more has not failed. One that cannot be sent has.
func TestEndOfAProbe(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cannot := &fault.Error{What: "it cannot be sent"}
	for _, test := range []struct {
		ctx  context.Context
		err  error
		what string
		told error
	}{
		{t.Context(), nil, "ICMP: 1 sent to 172.16.0.2 by gre1, 0 answered", nil},
		{ended, context.Canceled, "ICMP: 1 sent to 172.16.0.2 by gre1, 0 answered, ended early", nil},
		{t.Context(), cannot, "ICMP: 1 sent to 172.16.0.2 by gre1, 0 answered", cannot},
	} {
		var got nmgre.Event
		k := Kernel(silent{err: test.err}, func(e nmgre.Event) { got = e })
		if _, err := k.Probe(test.ctx, kernel.Probe{Dev: "gre1", To: netip.MustParseAddr("172.16.0.2")}); !errors.Is(err, test.err) {
			t.Errorf("the caller gets %v, want %v", err, test.err)
		}
		if got.What != test.what || !errors.Is(got.Err, test.told) || got.Err != nil && test.told == nil || !got.Detail {
			t.Errorf("it tells %+v, want %q and %v", got, test.what, test.told)
		}
	}
}
