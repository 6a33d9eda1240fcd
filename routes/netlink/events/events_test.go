package events

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/netns"
	"nmgre/testdata/want"
)

// watch starts a watch in the namespace.
func watch(ns *netns.Namespace) (<-chan kernel.Event, func()) {
	ns.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var events <-chan kernel.Event
	err := ns.Do(func() (err error) {
		events, err = Watch(ctx)
		return err
	})
	if err != nil {
		ns.T.Fatal(err)
	}
	ns.T.Cleanup(cancel)
	return events, cancel
}

// TestWatch checks the event for each kind of change.
func TestWatch(t *testing.T) {
	ns := netns.New(t)
	events, _ := watch(ns)
	if all, n := want.Joined(events, 300*time.Millisecond); n != 0 {
		t.Errorf("nothing was done, but %+v", all)
	}
	for _, c := range []struct {
		line string
		want kernel.Event
	}{
		{"link set dev lo mtu 9000", kernel.Event{Links: true}},
		{"route add 10.1.0.0/24 dev lo", kernel.Event{Routes: true}},
		{"route del 10.1.0.0/24 dev lo", kernel.Event{Routes: true}},
		{"-6 route add fd01::/64 dev lo", kernel.Event{Routes: true}},
		{"route add blackhole 10.2.0.0/24 table 77", kernel.Event{Routes: true}},
		// with the routes that the kernel adds for it
		{"addr add 10.3.0.1/24 dev lo", kernel.Event{Links: true, Routes: true}},
		{"-6 addr add fd03::1/64 dev lo nodad", kernel.Event{Links: true, Routes: true}},
		{"link add one type veth peer name two", kernel.Event{Links: true}},
		{"link del one", kernel.Event{Links: true}},
	} {
		ns.IP(c.line)
		if got, _ := want.Joined(events, 300*time.Millisecond); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.line, got, c.want)
		}
	}
}

// TestWatchLeavesNothing counts goroutines and open files.
func TestWatchLeavesNothing(t *testing.T) {
	ns := netns.New(t)
	before, files := runtime.NumGoroutine(), openFiles(t)
	for range 20 {
		events, cancel := watch(ns)
		cancel()
		for range events {
		}
	}
	late := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before || openFiles(t) > files {
		if time.Now().After(late) {
			t.Fatalf("%d goroutines before, %d after; %d files before, %d after", before, runtime.NumGoroutine(), files, openFiles(t))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func openFiles(t *testing.T) (n int) {
	t.Helper()
	for fd := range 200 {
		var s unix.Stat_t
		if unix.Fstat(fd, &s) == nil {
			n++
		}
	}
	return n
}

// A watch that cannot join the groups again after a flood says so, goes on trying, and says when it
// hears again.
func TestWatchDeaf(t *testing.T) {
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.file.Close()
	var tries atomic.Int32
	l.members = func(fd, option int) error {
		if option == unix.NETLINK_ADD_MEMBERSHIP && tries.Add(1) <= 2 {
			return unix.ENOMEM
		}
		return membership(fd, option)
	}
	if err := l.sitOut(t.Context()); !errors.Is(err, unix.ENOMEM) {
		t.Fatalf("the groups are not joined, and the error is %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.listenAgain(t.Context())
	}()
	if e := <-l.events; !e.Deaf || e.Hears || !e.Links || !e.Routes {
		t.Errorf("while it cannot hear: %+v", e)
	}
	<-done
	if e := <-l.events; e.Deaf || !e.Hears || !e.Links || !e.Routes {
		t.Errorf("when it hears again: %+v", e)
	}
	if tries.Load() != 3 {
		t.Errorf("%d tries", tries.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.members = func(int, int) error { return unix.ENOMEM }
	time.AfterFunc(10*time.Millisecond, cancel)
	l.listenAgain(ctx) // it ends with its context
}

// TestEventsIn reads datagrams as a kernel, or somebody else, may send them.
func TestEventsIn(t *testing.T) {
	message := func(kind uint16, length uint32, body int) []byte {
		b := make([]byte, unix.NLMSG_HDRLEN+body)
		wire.Native.PutUint32(b, length)
		wire.Native.PutUint16(b[4:], kind)
		return b
	}
	route, link := message(unix.RTM_NEWROUTE, 16, 0), message(unix.RTM_DELLINK, 18, 4)
	for i, c := range []struct {
		datagram []byte
		want     kernel.Event
	}{
		{nil, kernel.Event{}},
		{route, kernel.Event{Routes: true}},
		{append(append([]byte{}, link...), route...), everything},
		{message(unix.RTM_NEWRULE, 16, 0), kernel.Event{}},
		{message(unix.RTM_NEWADDR, 16, 0), kernel.Event{Links: true}},
		{route[:10], everything},
		{message(unix.RTM_NEWRULE, 0, 0), everything},
		{message(unix.RTM_NEWRULE, 1<<31, 0), everything},
		{message(unix.RTM_NEWRULE, 17, 1), kernel.Event{}},
		{message(unix.NLMSG_OVERRUN, 16, 0), everything},
	} {
		if got := eventsIn(c.datagram); got != c.want {
			t.Errorf("%d: got %+v, want %+v", i, got, c.want)
		}
	}
}

// FuzzEvents reads datagrams of any bytes.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{16, 0, 0, 0, unix.RTM_NEWROUTE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, unix.RTM_DELLINK})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if e := eventsIn(datagram); e.Deaf || e.Hears {
			t.Errorf("%+v", e)
		}
	})
}

// BenchmarkEventsIn is the cost of reading the notification about one route.
func BenchmarkEventsIn(b *testing.B) {
	datagram := make([]byte, 128)
	binary.NativeEndian.PutUint32(datagram, 128)
	binary.NativeEndian.PutUint16(datagram[4:], unix.RTM_NEWROUTE)
	for b.Loop() {
		if e := eventsIn(datagram); !e.Routes {
			b.Fatal(fmt.Sprint(e))
		}
	}
}
