// Package notice makes few notices of the many events of NetworkManager and the kernel. It is pure.
// Begin at [Relay].
package notice

import (
	"context"
	"time"

	"nmgre/nm"
	"nmgre/routes/kernel"
)

// Notice says which parts of the host may have changed. It does not have their new state: the
// receiver reads that.
type Notice struct {
	Profiles, Links, Routes bool
	Lost                    bool // NetworkManager is away; the kernel is still watched
	Back                    bool // NetworkManager is there again
	// Deaf says that the kernel's notifications do not arrive: links and routes may change unseen.
	// The watch goes on trying to get them.
	Deaf  bool
	Hears bool // the kernel's notifications arrive again
}

// Times of a watch.
const (
	// A notice is sent when no event has come for noticeQuiet: changes come in bursts.
	noticeQuiet = 150 * time.Millisecond
	// Two notices are at least noticeEvery apart, except those with Lost, Back, Deaf or Hears. None
	// is delayed for longer, however many events come.
	noticeEvery = time.Second
)

// Relay sends notices of the events to out, until both channels of events are closed. They are
// closed when ctx has ended, or when there will be no more events. Events that come close together
// make one notice, and there is at most one notice a second. Only the loss and the return of
// NetworkManager, or of the kernel's notifications, are sent at once. A notice that nobody receives
// is joined with the next one.
func Relay(ctx context.Context, profiles <-chan nm.ProfileEvent, events <-chan kernel.Event, out chan<- Notice) {
	w := watcher{profiles: profiles, kernel: events, out: out}
	w.run(ctx)
}

// watcher makes notices of the events of NetworkManager and the kernel.
type watcher struct {
	profiles <-chan nm.ProfileEvent
	kernel   <-chan kernel.Event
	out      chan<- Notice
	deaf     bool // the kernel's notifications do not arrive

	pending Notice
	since   time.Time // when the first event of the pending notice came
	due     time.Time // when the pending notice may be sent; zero if there is none
	sent    time.Time // when the last notice was sent
}

// run returns when both channels of events are closed. They are closed when ctx has ended, or when
// there will be no more events.
func (w *watcher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for w.profiles != nil || w.kernel != nil {
		var out chan<- Notice
		if wait := time.Until(w.due); !w.due.IsZero() && wait <= 0 {
			out = w.out
		} else if !w.due.IsZero() {
			timer.Reset(wait)
		}
		select {
		case e, open := <-w.profiles:
			if !open {
				w.profiles = nil
				continue
			}
			w.noteProfiles(e)
		case e, open := <-w.kernel:
			if !open {
				w.kernel = nil
				continue
			}
			w.noteKernel(e)
		case <-timer.C:
		case out <- w.pending:
			w.pending, w.due, w.sent = Notice{}, time.Time{}, time.Now()
		case <-ctx.Done():
			w.drain()
		}
	}
}

// drain waits until both channels of events are closed.
func (w *watcher) drain() {
	for w.profiles != nil {
		if _, open := <-w.profiles; !open {
			w.profiles = nil
		}
	}
	for w.kernel != nil {
		if _, open := <-w.kernel; !open {
			w.kernel = nil
		}
	}
}

// noteProfiles adds an event of NetworkManager's to the pending notice. Lost and Back say nothing
// about links and routes, which are the kernel's.
func (w *watcher) noteProfiles(e nm.ProfileEvent) {
	if e.Lost || e.Back {
		w.pending.Lost, w.pending.Back = e.Lost, e.Back
	}
	w.note(Notice{Profiles: !e.Lost})
	if e.Lost || e.Back {
		w.due = time.Now()
	}
}

// noteKernel adds an event of the kernel's to the pending notice.
func (w *watcher) noteKernel(e kernel.Event) {
	news := e.Deaf && !w.deaf || e.Hears
	if e.Deaf || e.Hears {
		w.deaf = e.Deaf
	}
	if news {
		w.pending.Deaf, w.pending.Hears = e.Deaf, e.Hears
	}
	w.note(Notice{Links: e.Links, Routes: e.Routes})
	if news {
		w.due = time.Now()
	}
}

// note joins n with the pending notice, and decides when to send it.
func (w *watcher) note(n Notice) {
	now := time.Now()
	if w.due.IsZero() {
		w.since = now
	}
	w.pending.Profiles = w.pending.Profiles || n.Profiles
	w.pending.Links = w.pending.Links || n.Links
	w.pending.Routes = w.pending.Routes || n.Routes
	if !w.due.IsZero() && !w.due.After(now) {
		return // the notice is due already, and waits for a receiver
	}
	w.due = now.Add(noticeQuiet)
	if latest := w.since.Add(noticeEvery); w.due.After(latest) {
		w.due = latest
	}
	if earliest := w.sent.Add(noticeEvery); w.due.Before(earliest) {
		w.due = earliest
	}
}
