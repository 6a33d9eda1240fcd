package nmgre_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	plans, errs, err := h.PlanAll(ctx, wants)
	err = errors.Join(append(errs, err)...)
	if err != nil {
		return nil, err
	}
	return h.CreateAll(ctx, plans, nmgre.CreateOptions{})
}

// Several tunnels are made together, and come out as if they were made one by one.
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

// Very many have their requests in flight together, and tell how far they are, step by step. If one
// of them cannot come up, none is there.
func TestCreateVeryMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fake.NewWorld()
		h, told := w.Start().Host(), ""
		h.Progress = func(e nmgre.Event) {
			if !e.Detail {
				told += e.What + "\n"
			}
		}
		none := w.String()
		made, err := createAll(t.Context(), h, newTunnels(50))
		if err != nil || len(made) != 50 {
			t.Fatal(len(made), err)
		}
		for i, c := range made {
			if name := fmt.Sprint("tun", i); c.Status.Tunnel.Name != name || c.Report.Tunnel != name || w.Named(name).Trial || w.Named(name).With != "" || w.Named(name).State != nm.StateActive {
				t.Errorf("%s: %+v", name, c.Status)
			}
		}
		for _, line := range []string{"planned: 20 of 50 tunnels", "brought it up: 40 of 50 tunnels", "verified it: 50 of 50 tunnels", "wrote the profile to disk: 49 of 49 tunnels"} {
			if !strings.Contains(told, line+"\n") {
				t.Errorf("it does not tell %q:\n%s", line, told)
			}
		}
		if strings.Contains(told, "deleted") {
			t.Errorf("it tells of steps that it does not take:\n%s", told)
		}
		for _, method := range []string{"Activate", "SaveWith", "Save", "Delete"} {
			w := fake.NewWorld()
			p := w.Start()
			var mu sync.Mutex
			count := 0
			p.Fault = func(_ int, called string) fake.Fault {
				mu.Lock()
				defer mu.Unlock()
				if called == method {
					count++
				}
				if called == method && count == 30 || method == "Delete" && called == "Activate" {
					return fake.Fault{Err: fake.ErrBroken}
				}
				return fake.Fault{}
			}
			if _, err := createAll(t.Context(), p.Host(), newTunnels(50)); !errors.Is(err, fake.ErrBroken) {
				t.Errorf("%s: %v", method, err)
			}
			if method != "Delete" { // that one cannot be undone, and the next command does it
				want.Same(t, method, w.String(), none)
			}
		}
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
