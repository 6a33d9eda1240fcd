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

// watched is a watch on a world in which the time is the test's own.
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

// expect waits for the next notice and looks at what it says and when it comes, from the beginning
// of the watch.
func (w *watched) expect(want nmgre.Notice, at time.Duration) {
	w.t.Helper()
	if got, open := <-w.notices; !open || got != want || time.Since(w.begin) != at {
		w.t.Errorf("got %+v after %s, want %+v after %s", got, time.Since(w.begin), want, at)
	}
}

// A change is told when it has been quiet for a moment; what comes close together is one notice.
func TestWatchJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchWorld(t)
		defer w.cancel()
		w.ProfileEvents <- nm.ProfileEvent{}
		time.Sleep(100 * time.Millisecond)
		w.KernelEvents <- kernel.Event{Links: true}
		w.expect(nmgre.Notice{Profiles: true, Links: true}, 250*time.Millisecond)
		// the next notice is not earlier than a second after the last
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

// What never becomes quiet is told once a second.
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

// NetworkManager's leaving and coming back are told at once; of both before anybody looks, the
// later counts.
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

// Nobody takes the notices: nothing piles up, and the end of the context ends everything.
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

// When one half has nothing to tell any more, the other goes on; when both have, so has the watch.
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
