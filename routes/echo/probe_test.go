package echo

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// probeOf is a probe of one request to an address.
func probeOf(to string) kernel.Probe {
	return kernel.Probe{To: want.Addr(to), Count: 1, Interval: minInterval}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *kernel.Probe)
		good   bool
	}{
		"as it is":              {func(*kernel.Probe) {}, true},
		"the smallest size":     {func(p *kernel.Probe) { p.Size = 44 }, true},
		"the largest size":      {func(p *kernel.Probe) { p.Size = 65535 }, true},
		"too small":             {func(p *kernel.Probe) { p.Size = 43 }, false},
		"too large":             {func(p *kernel.Probe) { p.Size = 65536 }, false},
		"negative":              {func(p *kernel.Probe) { p.Size = -1 }, false},
		"IPv6, too small":       {func(p *kernel.Probe) { p.To, p.Size = want.Addr("2001:db8::2"), 63 }, false},
		"IPv6, the smallest":    {func(p *kernel.Probe) { p.To, p.Size = want.Addr("2001:db8::2"), 64 }, true},
		"from an address":       {func(p *kernel.Probe) { p.From = want.Addr("192.0.2.1") }, true},
		"IPv6, link-local":      {func(p *kernel.Probe) { p.To = want.Addr("fe80::2%v0") }, true},
		"most requests":         {func(p *kernel.Probe) { p.Count = 10 }, true},
		"no destination":        {func(p *kernel.Probe) { p.To = netip.Addr{} }, false},
		"unspecified":           {func(p *kernel.Probe) { p.To = want.Addr("::") }, false},
		"multicast":             {func(p *kernel.Probe) { p.To = want.Addr("ff02::1") }, false},
		"mapped":                {func(p *kernel.Probe) { p.To = want.Addr("::ffff:192.0.2.2") }, false},
		"from the other family": {func(p *kernel.Probe) { p.From = want.Addr("2001:db8::1") }, false},
		"no request":            {func(p *kernel.Probe) { p.Count = 0 }, false},
		"too many requests":     {func(p *kernel.Probe) { p.Count = 11 }, false},
		"too fast":              {func(p *kernel.Probe) { p.Interval = minInterval - 1 }, false},
	} {
		p := probeOf("192.0.2.2")
		c.change(&p)
		if err := Check(p); (err == nil) != c.good || err != nil && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDone(t *testing.T) {
	for _, c := range []struct {
		count, enough, received int
		done                    bool
	}{
		{3, 0, 0, false}, {3, 0, 2, false}, {3, 0, 3, true},
		{3, 1, 0, false}, {3, 1, 1, true},
		{2, 5, 1, false}, {2, 5, 2, true},
	} {
		r := prober{probe: kernel.Probe{Count: c.count, Enough: c.enough}}
		r.echoes.result.Refusals = []string{"a refusal does not end it"}
		r.echoes.result.Received = c.received
		if r.done() != c.done {
			t.Errorf("%+v", c)
		}
	}
	r := prober{probe: kernel.Probe{Count: 2, Size: 1400}}
	if r.done() {
		t.Error("done before an answer")
	}
	if r.echoes.refuse("too big", netip.Addr{}); !r.done() {
		t.Error("a refusal does not end a probe of a size")
	}
	if r.probe = (kernel.Probe{Count: 2, UntilRefused: true}); !r.done() {
		t.Error("a refusal does not end a probe that is to end with it")
	}
}

func TestSendError(t *testing.T) {
	for errno, kind := range map[unix.Errno]error{
		unix.ENETUNREACH: fault.ErrUnreachable, unix.EHOSTUNREACH: fault.ErrUnreachable, unix.ENETDOWN: fault.ErrUnreachable,
		unix.EACCES: fault.ErrUnreachable, unix.EINVAL: fault.ErrUnreachable,
		unix.EPERM: unix.EPERM, // a firewall: no kind of its own
	} {
		err := sendError(os.NewSyscallError("sendto", errno))
		if !errors.Is(err, kind) || !errors.Is(err, errno) || len(fault.Hints(err)) != 1 {
			t.Errorf("%s: %v, %q", errno, err, fault.Hints(err))
		}
	}
	if err := sendError(context.Canceled); err != context.Canceled { //nolint:errorlint // the very error
		t.Errorf("got %v", err)
	}
}

// TestRun probes this host's own address by the loopback device, and does not need a namespace.
func TestRun(t *testing.T) {
	lo := kernel.Link{Name: "lo", Index: 1}
	for _, to := range []string{"127.0.0.1", "::1"} {
		p := probeOf(to)
		p.From, p.Count, p.Interval = p.To, 3, 50*time.Millisecond
		got, err := Run(t.Context(), p, lo)
		if errors.Is(err, fault.ErrNotPermitted) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			t.Skipf("%s: %v", to, err)
		}
		if err != nil || got.Sent != 3 || got.Received != 3 || len(got.RTT) != 3 || len(got.Refusals) != 0 {
			t.Errorf("%s: %+v, %v", to, got, err)
		}
		p.Enough, p.Interval = 1, 5*time.Second // the answer ends it, on a busy machine, too
		if got, err = Run(t.Context(), p, lo); err != nil || got.Sent != 1 || got.Received != 1 {
			t.Errorf("%s, one is enough: %+v, %v", to, got, err)
		}
	}
}

// A packet of a size is answered as a whole, and one that is larger than the device's MTU is
// refused by this host, which is an answer.
func TestRunSizes(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "::1"} {
		for _, size := range []int{64, 65, 1400, 9001, 65535} {
			p := probeOf(to)
			p.From, p.Count, p.Enough, p.Interval, p.Size = p.To, 2, 1, 200*time.Millisecond, size
			got, err := Run(t.Context(), p, kernel.Link{Name: "lo", Index: 1})
			if errors.Is(err, fault.ErrNotPermitted) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
				t.Skipf("%s: %v", to, err)
			}
			if err != nil || got.Received != 1 || len(got.Refusals) != 0 {
				t.Errorf("%s, %d bytes: %+v, %v", to, size, got, err)
			}
		}
	}
}

// A limit of hops is no matter for this host itself.
func TestRunHops(t *testing.T) {
	for _, to := range []string{"127.0.0.1", "::1"} {
		p := probeOf(to)
		p.From, p.Interval, p.Hops = p.To, 200*time.Millisecond, 1
		got, err := Run(t.Context(), p, kernel.Link{Name: "lo", Index: 1})
		if errors.Is(err, fault.ErrNotPermitted) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			t.Skipf("%s: %v", to, err)
		}
		if err != nil || got.Received != 1 {
			t.Errorf("%s: %+v, %v", to, got, err)
		}
	}
}

// TestRunEnds checks that the end of the context ends a probe that waits, with its result.
func TestRunEnds(t *testing.T) {
	p := probeOf("127.0.0.2")
	p.Count, p.Interval, p.From = 2, time.Minute, want.Addr("127.0.0.1")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	got, err := Run(ctx, p, kernel.Link{Name: "lo", Index: 1})
	if errors.Is(err, fault.ErrNotPermitted) {
		t.Skip(err)
	}
	if !errors.Is(err, context.Canceled) || got.Sent != 1 || time.Since(began) > 10*time.Second {
		t.Errorf("%+v, %v after %s", got, err, time.Since(began))
	}
	if got, err = Run(ctx, p, kernel.Link{Name: "lo", Index: 1}); !errors.Is(err, context.Canceled) || got.Sent != 0 {
		t.Errorf("after its end: %+v, %v", got, err)
	}
}
