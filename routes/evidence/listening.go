package evidence

import (
	"context"
	"sync"

	"nmgre/routes/kernel"
)

// listening implements [kernel.Listening].
type listening struct {
	stop     context.CancelFunc
	done     chan struct{} // closed when heard does not change any more
	taps     []*tap
	counters *counters // nil if they cannot be read
	heard    *heard
}

// open opens the sockets and the files. Those that cannot be opened are noted as Deaf.
func (l *listening) open(e ends) {
	for _, source := range sources(e) {
		t, err := openTap(source, l.heard)
		if err != nil {
			l.heard.deaf(source.hears, err)
			continue
		}
		l.taps = append(l.taps, t)
	}
	var err error
	if l.counters, err = openCounters(); err != nil {
		l.heard.deaf([]string{kernel.HearsCounters}, err)
	}
}

// Refused implements [kernel.Listening].
func (l *listening) Refused() <-chan struct{} { return l.heard.refused }

// Stop implements [kernel.Listening]. Packets that have come in until now are heard.
func (l *listening) Stop() kernel.Heard {
	l.stop()
	<-l.done
	return l.heard.Heard
}

// run reads until ctx ends, and closes everything. The kernel takes some 10 ms to close a packet
// socket. Stop does not wait for it, but the end of the process does, so each reader closes its own
// without delay.
func (l *listening) run(ctx context.Context) {
	defer l.stop()
	var reading sync.WaitGroup
	reading.Add(len(l.taps))
	for _, t := range l.taps {
		go func() {
			t.listen(ctx)
			reading.Done()
			t.close()
		}()
	}
	<-ctx.Done()
	for _, t := range l.taps {
		t.wake()
	}
	reading.Wait()
	if l.counters != nil {
		l.heard.Counters = l.counters.growth()
		l.counters.close()
	}
	close(l.done)
}
