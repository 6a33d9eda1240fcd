package nmgre

import (
	"context"
	"time"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Notice says what may be another than when it was last read. It does not say what has become of
// it: whoever wants to know reads it.
type Notice struct {
	Profiles, Links, Routes bool
	Lost                    bool // NetworkManager is away; the kernel is watched on
	Back                    bool // it is there again
}

// Times of [Host.Watch].
const (
	// without news before a notice is given: changes come in bursts
	noticeQuiet = 150 * time.Millisecond
	// the least time between two notices, but for Lost and Back, and the most that one is put off
	noticeEvery = time.Second
)

// Watch tells when something has changed, by NetworkManager's and the kernel's own events: nothing
// is asked until there are some. What comes close together is one notice, and there is at most one
// a second, except that NetworkManager's leaving and coming back is told at once. A notice that
// nobody takes is joined with the next.
//
// The channel is closed when ctx has ended; nothing of the watch is left then. While NetworkManager
// is away the watch goes on, and finds it again by itself. After Back, NetworkManager may be
// starting still; the notice that it has changed once more comes when it is done.
func (h *Host) Watch(ctx context.Context) (<-chan Notice, error) {
	ctx, cancel := context.WithCancel(ctx)
	profiles, err := h.Profiles.Watch(ctx)
	if err != nil {
		cancel()
		return nil, fault.Ended(ctx, err)
	}
	kern, err := h.Kernel.Watch(ctx)
	if err != nil {
		cancel()
		for range profiles { // it is closed soon
		}
		return nil, err
	}
	w := watcher{profiles: profiles, kernel: kern, out: make(chan Notice)}
	go func() {
		defer close(w.out)
		defer cancel()
		w.run(ctx)
	}()
	return w.out, nil
}

// watcher joins what the two halves tell.
type watcher struct {
	profiles <-chan nm.ProfileEvent
	kernel   <-chan kernel.Event
	out      chan Notice

	pending Notice
	since   time.Time // when the first of what is pending came
	due     time.Time // when it may be given; zero if nothing is pending
	given   time.Time // when the last notice was
}

// run works until ctx ends, or until neither half has anything to tell any more; it returns when
// both are done.
func (w *watcher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for w.profiles != nil || w.kernel != nil {
		var out chan Notice
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
			w.note(Notice{Links: e.Links, Routes: e.Routes})
		case <-timer.C:
		case out <- w.pending:
			w.pending, w.due, w.given = Notice{}, time.Time{}, time.Now()
		case <-ctx.Done():
			w.drain()
		}
	}
}

// drain waits until both halves have closed their channels.
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

// noteProfiles takes NetworkManager's news in. What is up is the kernel's affair, so that with Back
// only the profiles are others.
func (w *watcher) noteProfiles(e nm.ProfileEvent) {
	if e.Lost || e.Back {
		w.pending.Lost, w.pending.Back = e.Lost, e.Back
	}
	w.note(Notice{Profiles: !e.Lost})
	if e.Lost || e.Back {
		w.due = time.Now()
	}
}

// note joins n with what is pending, and decides when that is given.
func (w *watcher) note(n Notice) {
	now := time.Now()
	if w.due.IsZero() {
		w.since = now
	}
	w.pending.Profiles = w.pending.Profiles || n.Profiles
	w.pending.Links = w.pending.Links || n.Links
	w.pending.Routes = w.pending.Routes || n.Routes
	if !w.due.IsZero() && !w.due.After(now) {
		return // it waits for a reader only
	}
	w.due = now.Add(noticeQuiet)
	if latest := w.since.Add(noticeEvery); w.due.After(latest) {
		w.due = latest
	}
	if earliest := w.given.Add(noticeEvery); w.due.Before(earliest) {
		w.due = earliest
	}
}
