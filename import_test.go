package nmgre_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"nmgre"
	"nmgre/nm"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// newTunnels returns tunnels that are made together.
func newTunnels(n int) []nm.Tunnel {
	var list []nm.Tunnel
	for i := range n {
		t := nm.NewTunnel()
		t.Name, t.Remote = fmt.Sprint("tun", i), want.Addr(fmt.Sprintf("100.0.%d.100", i+2))
		t.Addresses = want.CIDRs(fmt.Sprintf("172.16.%d.1/30", i))
		list = append(list, t)
	}
	return list
}

// createAll plans and makes several tunnels.
func createAll(ctx context.Context, h *nmgre.Host, wants []nm.Tunnel) ([]nmgre.Created, error) {
	plans, err := h.PlanAll(ctx, wants)
	if err != nil {
		return nil, err
	}
	return h.CreateAll(ctx, plans, nmgre.CreateOptions{})
}

// Several tunnels are made together, and are what they would be one by one.
func TestCreateAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		together, alone := fake.NewWorld(), fake.NewWorld()
		made, err := createAll(t.Context(), together.Start().Host(), newTunnels(3))
		if err != nil || len(made) != 3 {
			t.Fatal(made, err)
		}
		for _, one := range newTunnels(3) {
			fake.MustCreate(t, alone, one)
		}
		want.Same(t, "the host", together.String(), alone.String())
	})
}

// Whatever call fails: all of the tunnels are there or none.
func TestCreateAllAtFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		w := fake.NewWorld()
		p := w.Start()
		p.Fault = func(int, string) fake.Fault { calls++; return fake.Fault{} }
		if _, err := createAll(t.Context(), p.Host(), newTunnels(3)); err != nil {
			t.Fatal(err)
		}
		all, none, failed := w.String(), fake.NewWorld().String(), 0
		for n := range calls {
			w := fake.NewWorld()
			p := w.Start()
			p.Fault = func(i int, _ string) fake.Fault {
				if i == n {
					return fake.Fault{Err: fake.ErrBroken}
				}
				return fake.Fault{}
			}
			_, err := createAll(t.Context(), p.Host(), newTunnels(3))
			if err == nil {
				want.Same(t, fmt.Sprint("call ", n), w.String(), all)
				continue
			}
			failed++
			if !errors.Is(err, fake.ErrBroken) {
				t.Errorf("call %d: %v", n, err)
			}
			want.Same(t, fmt.Sprint("call ", n), w.String(), none)
		}
		if failed < 10 {
			t.Errorf("only %d of %d calls made it fail", failed, calls)
		}
	})
}
