package echo

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"nmgre/routes/kernel"
	"nmgre/testdata/netns"
	"nmgre/testdata/want"
)

// bridged are two namespaces, and a bridge between them that drops packets of more than 1400 bytes.
// Nobody says so.
func bridged(t *testing.T) (near, far *netns.Namespace) {
	near, far = netns.New(t), netns.New(t)
	bridge := netns.New(t)
	bridge.IP("link add br0 type bridge", "link set dev br0 up")
	for i, ns := range []*netns.Namespace{near, far} {
		ns.IP(fmt.Sprintf("link add v0 type veth peer name m%d netns %d", i, bridge.Thread), "link set dev v0 up",
			fmt.Sprintf("addr add 10.9.0.%d/24 dev v0", i+1), fmt.Sprintf("addr add fd00::%d/64 dev v0 nodad", i+1))
		bridge.IP(fmt.Sprintf("link set dev m%d master br0", i), fmt.Sprintf("link set dev m%d up", i))
	}
	bridge.IP("link set dev m1 mtu 1400")
	for _, to := range []string{"10.9.0.2", "fd00::2"} {
		err := near.Do(func() error {
			r, err := Run(t.Context(), kernel.Probe{To: want.Addr(to), Count: 10, Enough: 1, Interval: time.Second}, kernel.Link{Name: "v0"})
			if err == nil && r.Received == 0 {
				err = errors.New("it does not answer")
			}
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", to, err)
		}
	}
	return near, far
}

// askByUDP sends datagrams by v0.
func askByUDP(t *testing.T, ns *netns.Namespace, to string, size int) (r kernel.ProbeResult) {
	t.Helper()
	r, err := askEvery(t.Context(), ns, 200*time.Millisecond, to, size)
	if err != nil {
		t.Errorf("%s, %d bytes: %v", to, size, err)
	}
	return r
}

func askEvery(ctx context.Context, ns *netns.Namespace, interval time.Duration, to string, size int) (r kernel.ProbeResult, err error) {
	err = ns.Do(func() (err error) {
		p := kernel.Probe{To: want.Addr(to), Count: 2, Interval: interval, Size: size, UDP: true}
		r, err = Run(ctx, p, kernel.Link{Name: "v0"})
		return err
	})
	return r, err
}

// A datagram of a size is answered as a whole, or is lost, while the small one behind it is
// answered. Nobody needs privileges for it.
func TestDatagrams(t *testing.T) {
	for name, prepare := range map[string]func(ns *netns.Namespace){"root": func(*netns.Namespace) {}, "user": (*netns.Namespace).DropCapabilities} {
		near, far := bridged(t)
		prepare(near)
		for _, to := range []string{"10.9.0.2", "fd00::2"} {
			if r := askByUDP(t, near, to, 1400); r.Sent != 1 || r.Received != 1 || len(r.RTT) != 1 || len(r.Refusals) > 0 {
				t.Errorf("%s, %s: it fits: %+v", name, to, r)
			}
			if r := askByUDP(t, near, to, 1500); r.Sent != 2 || r.Received != 0 || r.Small != 2 || len(r.Refusals) > 0 {
				t.Errorf("%s, %s: it does not fit: %+v", name, to, r)
			}
			if r := askByUDP(t, near, to, 1501); r.Received != 0 || r.Small != 0 || len(r.Refusals) != 1 {
				t.Errorf("%s, %s: larger than the device: %+v", name, to, r)
			}
			if r := askByUDP(t, near, to, 0); r.Received != 1 || r.Small != 0 {
				t.Errorf("%s, %s: a small one: %+v", name, to, r)
			}
		}
		far.IP("link set dev v0 down")
		if r := askByUDP(t, near, "10.9.0.2", 1400); r.Received != 0 || r.Small != 0 {
			t.Errorf("%s: nobody is there: %+v", name, r)
		}
	}
}

// The end of ctx ends the wait.
func TestDatagramsEnd(t *testing.T) {
	near, _ := bridged(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	r, err := askEvery(ctx, near, time.Minute, "10.9.0.2", 1500)
	if !errors.Is(err, context.DeadlineExceeded) || r.Sent != 1 || r.Received != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("%+v, %v after %s", r, err, time.Since(began))
	}
}
