package nmgre_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
)

// watched is a watch on a host in memory. The test controls the time.
type watched struct {
	*fake.Process
	t       *testing.T
	notices <-chan nmgre.Notice
	begin   time.Time
	cancel  func()
}

func watchWorld(t *testing.T) *watched {
	t.Helper()
	p := fake.NewWorld().Start()
	p.ProfileEvents, p.KernelEvents = make(chan nm.ProfileEvent), make(chan kernel.Event)
	ctx, cancel := context.WithCancel(t.Context())
	notices, err := p.Host().Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &watched{p, t, notices, time.Now(), cancel}
}

// expect waits for the next notice, and checks its contents and its time since the beginning of the
// watch.
func (w *watched) expect(want nmgre.Notice, at time.Duration) {
	w.t.Helper()
	if got, open := <-w.notices; !open || got != want || time.Since(w.begin) != at {
		w.t.Errorf("got %+v after %s, want %+v after %s", got, time.Since(w.begin), want, at)
	}
}

// A notice comes when no event has come for a moment. Events that come close together make one
// notice.
func TestWatchJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchWorld(t)
		defer w.cancel()
		w.ProfileEvents <- nm.ProfileEvent{}
		time.Sleep(100 * time.Millisecond)
		w.KernelEvents <- kernel.Event{Links: true}
		w.expect(nmgre.Notice{Profiles: true, Links: true}, 250*time.Millisecond)
		// the next notice comes a second after the last one, not earlier
		w.KernelEvents <- kernel.Event{Routes: true}
		w.expect(nmgre.Notice{Routes: true}, 1250*time.Millisecond)
		time.Sleep(10 * time.Second)
		select {
		case n := <-w.notices:
			t.Errorf("nothing happened, but %+v", n)
		default:
		}
	})
}

// While events keep coming, there is one notice a second.
func TestWatchBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchWorld(t)
		defer w.cancel()
		go func() {
			for range 1000 {
				w.KernelEvents <- kernel.Event{Routes: true}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		count := 0
		for end := time.After(15 * time.Second); ; {
			select {
			case n := <-w.notices:
				if n != (nmgre.Notice{Routes: true}) {
					t.Errorf("got %+v", n)
				}
				count++
				continue
			case <-end:
			}
			break
		}
		if count < 9 || count > 11 {
			t.Errorf("10 seconds of changes made %d notices", count)
		}
	})
}

// The loss and the return of NetworkManager are sent at once. If both come before anybody receives,
// the later one counts.
func TestWatchLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchWorld(t)
		defer w.cancel()
		w.ProfileEvents <- nm.ProfileEvent{Lost: true}
		w.expect(nmgre.Notice{Lost: true}, 0)
		w.ProfileEvents <- nm.ProfileEvent{Back: true}
		w.expect(nmgre.Notice{Back: true, Profiles: true}, 0)
		w.ProfileEvents <- nm.ProfileEvent{Lost: true}
		w.ProfileEvents <- nm.ProfileEvent{Back: true}
		w.KernelEvents <- kernel.Event{Links: true}
		synctest.Wait()
		w.expect(nmgre.Notice{Back: true, Profiles: true, Links: true}, 0)
	})
}

// When the kernel's notifications do not arrive, a notice says so at once, and another when they
// do. While they do not, the links and routes are read again now and then.
func TestWatchDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchWorld(t)
		defer w.cancel()
		w.KernelEvents <- kernel.Event{Links: true, Routes: true, Deaf: true}
		w.expect(nmgre.Notice{Links: true, Routes: true, Deaf: true}, 0)
		w.KernelEvents <- kernel.Event{Links: true, Routes: true, Deaf: true}
		w.expect(nmgre.Notice{Links: true, Routes: true}, time.Second)
		w.KernelEvents <- kernel.Event{Links: true, Routes: true, Hears: true}
		w.expect(nmgre.Notice{Links: true, Routes: true, Hears: true}, time.Second)
		w.KernelEvents <- kernel.Event{Links: true, Routes: true, Deaf: true}
		w.expect(nmgre.Notice{Links: true, Routes: true, Deaf: true}, time.Second)
	})
}

// If nobody receives the notices, nothing piles up. The end of the context ends everything.
func TestWatchUnread(t *testing.T) {
	before := runtime.NumGoroutine()
	w := watchWorld(t)
	for range 1000 {
		w.ProfileEvents <- nm.ProfileEvent{}
		w.KernelEvents <- kernel.Event{Links: true}
	}
	w.cancel()
	for n := range w.notices {
		if n.Lost || n.Back {
			t.Errorf("got %+v", n)
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// When one of the channels is closed, the watch goes on with the other. When both are, it ends.
func TestWatchHalvesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchWorld(t)
		defer w.cancel()
		close(w.ProfileEvents)
		w.KernelEvents <- kernel.Event{Links: true}
		w.expect(nmgre.Notice{Links: true}, 150*time.Millisecond)
		close(w.KernelEvents)
		if n, open := <-w.notices; open {
			t.Errorf("got %+v", n)
		}
	})
}

func TestWatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fail := range []func(p *fake.Process){
			func(p *fake.Process) { p.WatchErr = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "no bus"} },
			func(p *fake.Process) {
				p.KernelWatchErr = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "no netlink"}
			},
		} {
			p := fake.NewWorld().Start()
			fail(p)
			if _, err := p.Host().Watch(t.Context()); !errors.Is(err, fault.ErrNoNetworkManager) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// A flush of the ruleset is mended while root watches, at most once a second, and not by others.
func TestWatchMendsRules(t *testing.T) {
	for _, root := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := fake.NewWorld()
			tunnel := fake.Simple(t)
			tunnel.ClampMSS = true
			fake.MustCreate(t, w, tunnel)
			whole := w.String()
			w.NoRoot = !root
			p := w.Start()
			p.RuleEvents = make(chan struct{}, 3)
			ctx, cancel := context.WithCancel(t.Context())
			notices, err := p.Host().Watch(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				w.LoseAll()
				p.RuleEvents <- struct{}{}
				synctest.Wait()
				if mended := w.String() == whole; mended != root {
					t.Errorf("root %v: mended %v\n%s", root, mended, w)
				}
				time.Sleep(2 * time.Second)
			}
			cancel()
			for range notices { // until it is closed
			}
			synctest.Wait()
		})
	}
}
