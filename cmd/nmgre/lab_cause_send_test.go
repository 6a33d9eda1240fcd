package main

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/testdata/lab"
)

// Packets that Linux does not send by itself, as other ends of a tunnel do.

// eoip is the begin of an Ethernet frame in GRE of version 1, as RouterOS sends it for its EoIP
// tunnel 42.
const eoip = "\x20\x01\x64\x00\x00\x0e\x2a\x00" + "\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x08\x06"

// keepalive is the packet by which a Cisco router sees whether the tunnel is whole: the other end
// is to unpack it, and to send the inner packet back. It is GRE with the key 42, in it an IPv4
// packet from linux1 to linux2, and in that GRE of the protocol 0.
func keepalive() []byte {
	inner := []byte{0x45, 0, 0, 24, 0, 0, 0, 0, 255, unix.IPPROTO_GRE, 0, 0, 100, 0, 1, 100, 100, 0, 2, 100}
	sum := uint32(0)
	for i := 0; i < len(inner); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(inner[i:]))
	}
	binary.BigEndian.PutUint16(inner[10:], ^uint16(sum>>16+sum&0xffff)) // RFC 1071
	return append(append([]byte{0x20, 0, 8, 0, 0, 0, 0, 42}, inner...), 0, 0, 0, 0)
}

// sendGRE has a host send an IPv4 packet of protocol 47 two hundred times a second, until stop is
// called: verify listens for a few round trips only, where the far end answers.
func sendGRE(t *testing.T, host lab.Host, from, to string, payload []byte) (stop func()) {
	t.Helper()
	done, opened := make(chan struct{}), make(chan error)
	var sender sync.WaitGroup
	sender.Go(func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		fd, err := openGRE(host, from)
		opened <- err
		if err != nil {
			return
		}
		defer unix.Close(fd)
		for ticker := time.NewTicker(5 * time.Millisecond); ; {
			// the row shows whether it came
			_ = unix.Sendto(fd, payload, 0, &unix.SockaddrInet4{Addr: netip.MustParseAddr(to).As4()})
			select {
			case <-done:
				ticker.Stop()
				return
			case <-ticker.C:
			}
		}
	})
	if err := <-opened; err != nil {
		t.Fatalf("%s: a socket for GRE: %v", host, err)
	}
	stop = sync.OnceFunc(func() { close(done); sender.Wait() })
	t.Cleanup(stop)
	return stop
}

// openGRE opens a socket on the host. The thread goes there and comes back: if it is the process'
// first one, which does not end with its goroutine, a reboot of the host would kill the process.
func openGRE(host lab.Host, from string) (int, error) {
	namespace, err := os.Open(host.NetNSPath())
	if err != nil {
		return 0, err
	}
	defer namespace.Close()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) // if it fails, the thread ends soon
		_ = own.Close()
	}()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_GRE)
	if err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrInet4{Addr: netip.MustParseAddr(from).As4()})
}
