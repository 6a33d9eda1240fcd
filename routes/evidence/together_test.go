package evidence

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// keyed returns the ends with a key.
func keyed(e kernel.Ends, key gre.Key) kernel.Ends {
	e.Dev, e.Key, e.InputKey = "", want.Ptr(key), want.Ptr(key)
	return e
}

// hearTogether listens to several tunnels while something happens, and a moment longer.
func hearTogether(p pair, happens func(), all ...kernel.Ends) (heard []kernel.Heard) {
	p.near.T.Helper()
	shared, closeAll := New().Together(all)
	defer closeAll()
	var listening []kernel.Listening
	for _, to := range all {
		err := p.near.Do(func() error {
			l, err := shared.Listen(context.Background(), to)
			listening = append(listening, l)
			return err
		})
		if err != nil {
			p.near.T.Fatal(err)
		}
	}
	happens()
	time.Sleep(100 * time.Millisecond)
	for _, l := range listening {
		heard = append(heard, l.Stop())
	}
	return heard
}

// Each tunnel hears its own packets, and the errors about them. A packet that no tunnel claims is
// heard by all to whom it may mean something.
func TestTogether(t *testing.T) {
	p := newPair(t)
	p.far.IP("addr add 10.9.0.3/24 dev v1")
	other := keyed(ends4(), 9)
	other.Remote = want.Addr("10.9.0.3")
	heard := hearTogether(p, func() {
		send(p.near, "10.9.0.1", "10.9.0.2", withKey42)
		send(p.far, "10.9.0.2", "10.9.0.1", withKey7)
		send(p.far, "10.9.0.2", "10.9.0.1", keepalive) // no key
		send(p.far, "10.9.0.3", "10.9.0.1", withKey42) // from another far end
		send(p.far, "10.9.0.77", "10.9.0.1", withKey7) // from a stranger
	}, keyed(ends4(), 42), keyed(ends4(), 7), other)
	const sent, answer = "10.9.0.1 > 10.9.0.2 ttl 64, 48 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2", "10.9.0.2 > 10.9.0.1 ttl 64, 48 bytes, key 7, 0x0800 172.16.0.2 > 172.16.0.1"
	const keyless, strayed = "10.9.0.2 > 10.9.0.1 ttl 64, 24 bytes, 0x0000", "10.9.0.3 > 10.9.0.1 ttl 64, 48 bytes, key 42, 0x0800 172.16.0.1 > 172.16.0.2"
	stranger := strings.Replace(answer, "10.9.0.2 ", "10.9.0.77 ", 1)
	came := func(list ...string) (both []string) {
		for _, line := range list {
			both = append(both, "arrived "+line, "accepted "+line)
		}
		return both
	}
	for i, list := range [][]string{
		append(came(keyless, strayed, stranger), "sent "+sent, "error 3/2 by 10.9.0.2 about "+sent),
		came(answer, keyless, strayed, stranger),
		came(keyless, strayed, stranger),
	} {
		want.Same(t, fmt.Sprintf("the packets that tunnel %d heard", i), sorted(text(heard[i])), sorted(lines(list...)))
	}
}

// A packet of a tunnel that is not listened to now is nobody's.
func TestTogetherOfOthers(t *testing.T) {
	p := newPair(t)
	shared, closeAll := New().Together([]kernel.Ends{keyed(ends4(), 42), keyed(ends4(), 7)})
	defer closeAll()
	var l kernel.Listening
	listen := func() (err error) { l, err = shared.Listen(t.Context(), keyed(ends4(), 42)); return err }
	if err := p.near.Do(listen); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxHeard {
		send(p.far, "10.9.0.2", "10.9.0.1", withKey7)
	}
	send(p.near, "10.9.0.1", "10.9.0.2", withKey42)
	if heard := l.Stop(); len(heard.Sent) != 1 || len(heard.Arrived)+len(heard.Accepted) > 0 || heard.More {
		t.Error(text(heard))
	}
	// and its end is not that of the others
	if err := p.near.Do(listen); err != nil {
		t.Fatal(err)
	}
	send(p.near, "10.9.0.1", "10.9.0.2", withKey42)
	if heard := l.Stop(); len(heard.Sent) != 1 {
		t.Error(text(heard))
	}
}

// Whatever came in before Stop is heard, for each of many tunnels, whose filter looks at the
// addresses or at none.
func TestTogetherStopHearsAll(t *testing.T) {
	for _, n := range []int{3, maxAddresses + 10} {
		for _, one := range []kernel.Ends{keyed(ends4(), 42), keyed(ends6(), 42)} {
			p, all := newPair(t), []kernel.Ends{one}
			for i := range n {
				e := keyed(one, gre.Key(1000+i))
				for range i {
					e.Remote = e.Remote.Next()
				}
				all = append(all, e)
			}
			shared, closeAll := New().Together(all)
			defer closeAll()
			for range 10 {
				var l kernel.Listening
				if err := p.near.Do(func() (err error) { l, err = shared.Listen(t.Context(), one); return err }); err != nil {
					t.Fatal(err)
				}
				send(p.near, one.Local.String(), one.Remote.String(), withKey42)
				send(p.far, one.Remote.String(), one.Local.String(), withKey42)
				time.Sleep(10 * time.Millisecond)
				if heard := l.Stop(); len(heard.Sent) != 1 || len(heard.Arrived) != 1 || len(heard.Accepted) != 1 || heard.More {
					t.Fatalf("%d tunnels of %s: %s", n, one.Mode, text(heard))
				}
			}
		}
	}
}

// An error ends the wait of the tunnel that it is about.
func TestTogetherRefused(t *testing.T) {
	p := newPair(t)
	mine, others := keyed(ends4(), 42), keyed(ends4(), 7)
	shared, closeAll := New().Together([]kernel.Ends{mine, others})
	defer closeAll()
	var listening [2]kernel.Listening
	for i, to := range []kernel.Ends{mine, others} {
		if err := p.near.Do(func() (err error) { listening[i], err = shared.Listen(t.Context(), to); return err }); err != nil {
			t.Fatal(err)
		}
	}
	send(p.near, "10.9.0.1", "10.9.0.2", withKey42)
	select {
	case <-listening[0].Refused():
	case <-time.After(5 * time.Second):
		t.Error("the refusal was not heard")
	}
	select {
	case <-listening[1].Refused():
		t.Error("another tunnel was refused")
	case <-time.After(50 * time.Millisecond):
	}
	for _, l := range listening {
		l.Stop()
	}
}

// Many that listen at the same time open four sockets, which are closed at the end.
func TestTogetherShares(t *testing.T) {
	p := newPair(t)
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	var all []kernel.Ends
	for i := range 100 {
		all = append(all, keyed(ends4(), gre.Key(i)))
	}
	shared, closeAll := New().Together(all)
	var stopping sync.WaitGroup
	for _, to := range all {
		var l kernel.Listening
		if err := p.near.Do(func() (err error) { l, err = shared.Listen(t.Context(), to); return err }); err != nil {
			t.Fatal(err)
		}
		stopping.Go(func() { l.Stop() })
	}
	if open := openFiles(t) - files; open < 4 || open > 7 { // two or three are of the counters
		t.Errorf("%d files are open", open)
	}
	stopping.Wait()
	closeAll()
	for range 100 {
		if openFiles(t) <= files && runtime.NumGoroutine() <= goroutines {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%d files and %d goroutines, %d and %d before", openFiles(t), runtime.NumGoroutine(), files, goroutines)
}

func TestTogetherRefuses(t *testing.T) {
	shared, closeAll := New().Together([]kernel.Ends{keyed(ends4(), 42), {}})
	defer closeAll()
	if _, err := shared.Listen(t.Context(), keyed(ends6(), 42)); !errors.Is(err, errStranger) {
		t.Errorf("a tunnel that was not named: %v", err)
	}
	if _, err := shared.Listen(t.Context(), kernel.Ends{}); err == nil {
		t.Error("a tunnel without ends is listened to")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := shared.Listen(ended, keyed(ends4(), 42)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
