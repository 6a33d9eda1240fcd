package nmgre

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a watch on a world in which the time is the test's own.
type watched struct {
	*process
	t       *testing.T
	notices <-chan Notice
	begin   time.Time
	cancel  func()
}

func watchWorld(t *testing.T) *watched {
	t.Helper()
	p := newWorld().start()
	p.profileEvents, p.kernelEvents = make(chan ProfileEvent), make(chan KernelEvent)
	ctx, cancel := context.WithCancel(t.Context())
	notices, err := p.host().Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &watched{p, t, notices, time.Now(), cancel}
}

// expect waits for the next notice and looks at what it says and when it comes, from the beginning of the watch.
func (w *watched) expect(want Notice, at time.Duration) {
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
		w.profileEvents <- ProfileEvent{}
		time.Sleep(100 * time.Millisecond)
		w.kernelEvents <- KernelEvent{Links: true}
		w.expect(Notice{Profiles: true, Links: true}, 250*time.Millisecond)
		w.kernelEvents <- KernelEvent{Routes: true} // the next notice is not earlier than a second after the last
		w.expect(Notice{Routes: true}, 1250*time.Millisecond)
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
				w.kernelEvents <- KernelEvent{Routes: true}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		count := 0
		for end := time.After(15 * time.Second); ; {
			select {
			case n := <-w.notices:
				if n != (Notice{Routes: true}) {
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

// NetworkManager's leaving and coming back are told at once; of both before anybody looks, the later counts.
func TestWatchLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchWorld(t)
		defer w.cancel()
		w.profileEvents <- ProfileEvent{Lost: true}
		w.expect(Notice{Lost: true}, 0)
		w.profileEvents <- ProfileEvent{Back: true}
		w.expect(Notice{Back: true, Profiles: true}, 0)
		w.profileEvents <- ProfileEvent{Lost: true}
		w.profileEvents <- ProfileEvent{Back: true}
		w.kernelEvents <- KernelEvent{Links: true}
		synctest.Wait()
		w.expect(Notice{Back: true, Profiles: true, Links: true}, 0)
	})
}

// Nobody takes the notices: nothing piles up, and the end of the context ends everything.
func TestWatchUnread(t *testing.T) {
	before := runtime.NumGoroutine()
	w := watchWorld(t)
	for range 1000 {
		w.profileEvents <- ProfileEvent{}
		w.kernelEvents <- KernelEvent{Links: true}
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
		close(w.profileEvents)
		w.kernelEvents <- KernelEvent{Links: true}
		w.expect(Notice{Links: true}, noticeQuiet)
		close(w.kernelEvents)
		if n, open := <-w.notices; open {
			t.Errorf("got %+v", n)
		}
	})
}

func TestWatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fail := range []func(p *process){
			func(p *process) { p.watchErr = &Error{Kind: ErrNoNetworkManager, What: "no bus"} },
			func(p *process) { p.kernelWatchErr = &Error{Kind: ErrNoNetworkManager, What: "no netlink"} },
		} {
			p := newWorld().start()
			fail(p)
			if _, err := p.host().Watch(t.Context()); !errors.Is(err, ErrNoNetworkManager) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestEventsJoin(t *testing.T) {
	lost, back, plain := ProfileEvent{Lost: true}, ProfileEvent{Back: true}, ProfileEvent{}
	for _, c := range [][3]ProfileEvent{{lost, back, back}, {back, lost, lost}, {lost, plain, lost}, {plain, back, back}, {plain, plain, plain}} {
		if got := c[0].And(c[1]); got != c[2] {
			t.Errorf("%+v and %+v are %+v, want %+v", c[0], c[1], got, c[2])
		}
	}
	if got := (KernelEvent{Links: true}).And(KernelEvent{Routes: true}); got != (KernelEvent{true, true}) {
		t.Errorf("got %+v", got)
	}
}
