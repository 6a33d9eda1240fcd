package far

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/pair"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// Of two tunnels between two hosts, the other end of the second one is gone. It is made anew: the
// other end of the first one is not changed into it, even if that one's key has drifted.
func TestMendTakesNoOthersEnd(t *testing.T) {
	for _, drifted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := newWired()
			n.pairUp(t)
			n.serving.Wait()
			second := nm.NewTunnel()
			second.Name, second.Remote, second.Addresses = "gre2", want.Addr("100.0.2.100"), want.CIDRs("172.16.9.1/30")
			second.InputKey, second.OutputKey = new(gre.Key(7)), new(gre.Key(7))
			host := n.start(n.near).Host()
			planned, err := host.Plan(t.Context(), second)
			if err == nil {
				_, err = host.Create(t.Context(), planned, nmgre.CreateOptions{NoProbe: true})
			}
			if err != nil {
				t.Fatal(err)
			}
			if drifted {
				far := n.start(n.far).Host()
				planned, err := far.PlanEdit(t.Context(), "gre1", func(t *nm.Tunnel) error {
					t.InputKey, t.OutputKey = new(gre.Key(9)), new(gre.Key(9))
					return nil
				})
				if err == nil {
					_, err = far.Edit(t.Context(), planned, nmgre.EditOptions{NoProbe: true})
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			var told []string
			near := n.nearOf(t, n.start(n.near).Host(), n.dial(t, cut{at: -1}, nil, nil), &told)
			both, err := near.Plan(t.Context(), pair.Wish{Near: nm.NewTunnel()}, "gre2")
			if err != nil {
				t.Fatal(err)
			}
			if both.Far.Mend || len(both.Far.Changes) > 0 || both.Far.Name != "gre2" || strings.Contains(both.Far.Command, "--route") || !strings.Contains(strings.Join(both.Notes, " "), "no route to 10.10.1.0/24 there: the tunnel gre1 carries") {
				t.Errorf("drifted %v: the plan is %+v, %q", drifted, both.Far, both.Notes)
			}
			both.Leave()
			n.serving.Wait()
		})
	}
}

// A host that is the near one itself is told so, by pair and by verify --far.
func TestFarIsThisHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newWired()
		n.pairUp(t)
		n.serving.Wait()
		n.far = n.near
		for name, call := range map[string]func(context.Context, *Near) error{
			"pair": func(ctx context.Context, near *Near) error {
				return second(near.Plan(ctx, pair.Wish{Near: nm.NewTunnel()}, ""))
			},
			"verify":     func(ctx context.Context, near *Near) error { return second(near.Verify(ctx, "gre1")) },
			"pair again": func(ctx context.Context, near *Near) error { return second(near.Plan(ctx, pair.Wish{}, "gre1")) },
		} {
			var told []string
			err := call(t.Context(), n.nearOf(t, n.start(n.near).Host(), n.dial(t, cut{at: -1}, nil, nil), &told))
			if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "is this host itself") {
				t.Errorf("%s: %v", name, err)
			}
			n.serving.Wait()
		}
	})
}

// A plan whose time has ended says so, whatever it was doing.
func TestPlanTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, told := newWired(), []string(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 1)
		defer cancel()
		<-ctx.Done()
		near := n.nearOf(t, n.start(n.near).Host(), n.dial(t, cut{at: -1}, nil, nil), &told)
		_, err := near.Plan(ctx, pair.Wish{Near: nm.NewTunnel()}, "")
		if !errors.Is(err, fault.ErrTimeout) || !strings.Contains(err.Error(), "it took too long") {
			t.Errorf("%v", err)
		}
		n.serving.Wait()
	})
}

// hangs is a connection to a far end that never says anything, and does not leave.
type hangs struct {
	io.Writer
	over chan struct{}
}

func (h hangs) Read([]byte) (int, error) { <-h.over; return 0, io.EOF }
func (h hangs) Close() error             { <-h.over; return nil }
func (h hangs) Abort()                   { close(h.over) }

// A far end that hangs is left soon after the time that a person allows, and that is the error.
func TestPlanWithHangingFarEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, told := newWired(), []string(nil)
		dial := func(context.Context) (Line, error) { return hangs{io.Discard, make(chan struct{})}, nil }
		near := n.nearOf(t, n.start(n.near).Host(), dial, &told)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := near.Plan(ctx, pair.Wish{Near: nm.NewTunnel()}, "")
		if err == nil || err.Error() != "it took too long" {
			t.Errorf("%v", err)
		}
		if took := time.Since(begin); took > 18*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// A program that was copied here for one call removes itself and its folder; every other one stays.
func TestForgetCopy(t *testing.T) {
	for path, forgets := range map[string]bool{"nmgre.Ab3dEf7h/nmgre": true, "nmgre.Ab3dEf7h/other": false, "bin/nmgre": false, "nmgre.short/nmgre": false} {
		exe := filepath.Join(t.TempDir(), path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(exe), 0o700), os.WriteFile(exe, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		gone := false
		App{Exe: exe, Gone: func() { gone = true }}.forgetCopy()
		_, err := os.Stat(filepath.Dir(exe))
		if there := err == nil; gone != forgets || there == forgets {
			t.Errorf("%s: gone %v, the folder is there: %v", path, gone, there)
		}
	}
	App{}.forgetCopy()
}

// cutOff is a connection that the signal of a person ends, too, as Ctrl-C ends ssh.
type cutOff struct{ hangs }

func (c cutOff) Close() error { return errors.New("ssh could not connect") }

// interrupting is a connection whose person presses Ctrl-C as the message goes out.
type interrupting struct {
	Line
	at   pair.Type
	over func()
}

func (i *interrupting) Write(b []byte) (int, error) {
	if strings.Contains(string(b), fmt.Sprintf("%q", i.at)) {
		i.over()
		_ = i.Close()
	}
	return i.Line.Write(b)
}

// Between the two saves an interruption ends with both ends or with none, and says which. Where the
// other host cannot be asked any more, it says so, and how the person finds out.
func TestInterruptedBetweenTheSaves(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n, told := newWired(), []string(nil)
			ctx, cancel := context.WithCancel(t.Context())
			calls, dial := 0, n.dial(t, cut{at: -1}, nil, nil)
			near := n.nearOf(t, n.start(n.near).Host(), func(ctx context.Context) (Line, error) {
				if calls++; calls > 1 && !reachable {
					return nil, errors.New("ssh could not connect")
				}
				line, err := dial(ctx)
				return &interrupting{line, pair.Save, cancel}, err
			}, &told)
			both, err := near.Plan(ctx, pair.Wish{Near: nm.NewTunnel()}, "")
			if err != nil {
				t.Fatal(err)
			}
			_, err = near.Make(ctx, both)
			says, hint := "interrupted: neither this host nor linux2 has the tunnel", "type the same command again to make both ends"
			if !reachable {
				says, hint = "interrupted\nit is not known whether linux2 has its end: this end, gre1, stays until that is known: ssh could not connect", "nmgre pair linux2 gre1"
			}
			if err == nil || err.Error() != says || !strings.Contains(strings.Join(fault.Hints(err), ""), hint) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v\n%s", err, strings.Join(told, "\n"))
			}
			n.serving.Wait()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if there := strings.Contains(tunnels(n.near), "profile gre1"); there == reachable {
				t.Errorf("this end is there: %v", there)
			}
		})
	}
}

// Who interrupts pair hears that, and not that ssh has ended.
func TestPlanInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, told := newWired(), []string(nil)
		ctx, cancel := context.WithCancel(t.Context())
		line := cutOff{hangs{io.Discard, make(chan struct{})}}
		dial := func(context.Context) (Line, error) { return line, nil }
		time.AfterFunc(time.Second, func() { line.Abort(); cancel() })
		near := n.nearOf(t, n.start(n.near).Host(), dial, &told)
		_, err := near.Plan(ctx, pair.Wish{Near: nm.NewTunnel()}, "")
		if err == nil || err.Error() != "interrupted" || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
