package importer

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/routes/fault"
)

// fuzzReader has a reader read hostile inputs, of which those of testdata are the first. None may
// make it panic or hang. Each line that is not empty and no comment has a fate, and a reason unless
// it was taken; each tunnel is one that nmgre could make; and nothing of a message can move a
// terminal's cursor.
func fuzzReader(f *testing.F, name string) {
	file := strings.TrimRight(strings.TrimSuffix(name, "-ng"), "2")
	for _, in := range inputsOf(f, filepath.Join("testdata", "read", file+".txt")) {
		f.Add(in.text, in.opts.Far)
	}
	f.Fuzz(func(t *testing.T, text string, far bool) {
		begin := time.Now()
		im, err := Read(text, Options{From: name, Far: far})
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%d bytes take %s", len(text), took)
		}
		if err != nil && (!errors.Is(err, fault.ErrInvalid) || !printable(err.Error())) {
			t.Errorf("%v", err)
		}
		for _, line := range im.Lines {
			if line.Fate != notation.Taken && line.Why == "" || !printable(line.Why) {
				t.Errorf("line %d, %s: %q", line.N, line.Fate, line.Why)
			}
		}
		if err != nil {
			return
		}
		for _, tunnel := range im.Tunnels {
			if err := tunnel.Validate(); err != nil {
				t.Errorf("%v", err)
			}
		}
	})
}

// printable says whether a message has no control characters, but for the line feeds of a list.
func printable(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f }) < 0
}

func FuzzNMGRE(f *testing.F)      { fuzzReader(f, "nmgre") }
func FuzzNmcli(f *testing.F)      { fuzzReader(f, "nmcli") }
func FuzzKeyfile(f *testing.F)    { fuzzReader(f, "keyfile") }
func FuzzIP(f *testing.F)         { fuzzReader(f, "ip") }
func FuzzIfcfg(f *testing.F)      { fuzzReader(f, "ifcfg") }
func FuzzNetplan(f *testing.F)    { fuzzReader(f, "netplan") }
func FuzzNetworkd(f *testing.F)   { fuzzReader(f, "networkd") }
func FuzzIfupdown(f *testing.F)   { fuzzReader(f, "ifupdown") }
func FuzzIfupdown2(f *testing.F)  { fuzzReader(f, "ifupdown2") }
func FuzzIfupdownNG(f *testing.F) { fuzzReader(f, "ifupdown-ng") }
func FuzzWicked(f *testing.F)     { fuzzReader(f, "wicked") }
func FuzzCiscoIOS(f *testing.F)   { fuzzReader(f, "cisco-ios") }
func FuzzVyOS(f *testing.F)       { fuzzReader(f, "vyos") }

// hostile are inputs that are made to take memory: a pattern that is repeated.
var hostile = []string{"a\n", "\n", ";", "a;", "$A", "A=aaaaaaaaaaaaaaaa;", "a\\\n", "'", "\"", "(", "if ", "[a]\n", "[a]\nb=c\n", "{a: ", "[", "[a,", "- a\n", "a:\n", "? ", "&a *a ", "!", "interface Tunnel1\n",
	"ip route 1.1.1.1 255.255.255.255 Null0\n", "ip tunnel add a1 mode gre remote 1.1.1.1\n", "ip addr add 1.1.1.1/32 dev gre1\n", "iface a\n", "iface a inet static\n up b\n", "auto a\n", "set interfaces tunnel tun1 a\n",
	"set interfaces tunnel a b c d e f g h i j k l m n o p q r s t u v w x y z\n", "nmcli c add type ip-tunnel ifname a mode gre remote 1.1.1.1\n", "DEVICE=a\nTYPE=GRE\n", "TYPE=GRE\n", "ADDRESS0=1\n", "[NetDev]\n", "[Match]\nName=a\n",
	"[Route]\nDestination=1.1.1.1\n", "network:\n", "# file: a\n", "# file: ifcfg-a\nTUNNEL=gre\n", "-A POSTROUTING -j SNAT\n", "cat <<E\n", "IPADDR_1=1.1.1.1\n", "\x00", "\xff", "ip rule add from 1.1.1.1 table 7\n"}

// No input takes more than 64 times its size in memory, and a little that does not depend on it.
func TestMemory(t *testing.T) {
	const size, spare = 96 << 10, 1 << 20
	for _, k := range every.Kinds() {
		if k.Read == nil {
			continue
		}
		for _, pattern := range hostile {
			for _, lead := range []string{"", seedOf(t, k.Name)} {
				text := lead + strings.Repeat(pattern, (size-len(lead))/len(pattern))
				if grown := memory(func() { _, _ = Read(text, Options{From: k.Name}) }); grown > 64*size+spare {
					t.Errorf("%s: %q takes %d times its size", k.Name, pattern, grown/size)
				}
			}
		}
	}
}

// memory returns the largest growth of the heap while do runs, in bytes. Garbage is collected
// early, or garbage that a busy machine has not come to collect would count.
func memory(do func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	done, most := make(chan struct{}), uint64(0)
	go func() {
		defer close(done)
		do()
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(2 * time.Millisecond):
		}
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
	}
	return most
}

// seedOf returns the first input of testdata for a notation.
func seedOf(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join("testdata", "read", strings.TrimRight(strings.TrimSuffix(name, "-ng"), "2")+".txt")
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	return inputsOf(t, file)[0].text
}
