package tui

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/tui/tuitest"
)

// These measure the whole program on a terminal, over a host in memory with a thousand tunnels and
// a hundred thousand routes, and fail where it is slower or bigger than it may be.

const (
	mostFirst  = 500 * time.Millisecond
	mostKey    = 16 * time.Millisecond // at the 99th percentile
	mostMemory = 80 << 20              // bytes
	mostIdle   = 0.002                 // of a processor
)

func BenchmarkScreen(b *testing.B) {
	for b.Loop() {
		begin := time.Now()
		p := startOnTerminal(b, "many")
		p.wait("gre1 ")
		first := time.Since(begin)
		b.ReportMetric(first.Seconds()*1000, "ms/first-screen")
		if first > mostFirst {
			b.Errorf("the first screen took %s, at most %s", first, mostFirst)
		}
		cat := startCat(b)
		list := p.median(b, cat, "j", "k")
		p.write("\x1b[H3\r") // the first tunnel's routes
		p.wait("of 100000")
		routes := p.median(b, cat, "\x1b[6~", "\x1b[5~")
		for what, took := range map[string]time.Duration{"list": list, "routes": routes} {
			b.ReportMetric(took.Seconds()*1000, "ms/key-p99-"+what)
			if took > mostKey {
				b.Errorf("%s: a key took %s to its frame at the 99th percentile, at most %s", what, took, mostKey)
			}
		}
		memory := p.memory()
		b.ReportMetric(float64(memory)/(1<<20), "MB")
		if memory > mostMemory {
			b.Errorf("it takes %d bytes", memory)
		}
		p.write("q")
		p.ended(0)
	}
}

// A minute of doing nothing.
func BenchmarkScreenIdle(b *testing.B) {
	for b.Loop() {
		p := startOnTerminal(b, "many")
		p.wait("gre1 ")
		time.Sleep(2 * time.Second)
		before, begin := p.processor(), time.Now()
		time.Sleep(time.Minute)
		share := float64(p.processor()-before) / float64(time.Since(begin))
		b.ReportMetric(share*100, "%-idle")
		if share > mostIdle {
			b.Errorf("idle it takes %.3f %% of a processor, at most %.3f %%", share*100, mostIdle*100)
		}
		p.write("q")
		p.ended(0)
	}
}

// presses is how many keys are pressed in a round.
const presses = 400

// median returns the median of three rounds.
func (p *terminal) median(b *testing.B, cat *terminal, one, other string) time.Duration {
	b.Helper()
	var rounds []time.Duration
	for range 3 {
		rounds = append(rounds, p.keys(b, cat, one, other, presses))
	}
	slices.Sort(rounds)
	return rounds[1]
}

// calm is the most time of cat's echo on a machine that is not busy.
const calm = 4 * time.Millisecond

// keys presses two keys in turn, each after the frame of the one before. It returns the 99th
// percentile of the time from a key to the beginning of its frame. Presses are left out when the
// echo of cat, on a terminal of its own, was slow too: then the machine was busy.
func (p *terminal) keys(b *testing.B, cat *terminal, one, other string, n int) time.Duration {
	b.Helper()
	var times []time.Duration
	for i := range n {
		key := one
		if i%2 == 1 {
			key = other
		}
		p.settled()
		before := cat.press(b, "x\n")
		took := p.press(b, key)
		if after := cat.press(b, "x\n"); max(before, after) < calm {
			times = append(times, took)
		}
	}
	if len(times) < n/4 {
		b.Fatalf("the machine is too busy to measure: only %d of %d presses were undisturbed", len(times), n)
	}
	slices.Sort(times)
	at := len(times) * 99 / 100
	b.Logf("key to frame: %d of %d presses, median %s, 99th percentile %s", len(times), n, times[len(times)/2], times[at])
	return times[at]
}

// press types a key and returns when something is written.
func (p *terminal) press(b *testing.B, key string) time.Duration {
	b.Helper()
	before, begin := p.size(), time.Now()
	p.write(key)
	for p.size() == before {
		if time.Since(begin) > 2*time.Second {
			b.Fatalf("%q draws nothing", key)
		}
		time.Sleep(100 * time.Microsecond)
	}
	return time.Since(begin)
}

func (p *terminal) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Len()
}

// settled returns how much has been written, once nothing more comes for a while. That includes the
// answers of the kernel, which is asked after a rest.
func (p *terminal) settled() int {
	size, since := p.size(), time.Now()
	for time.Since(since) < 30*time.Millisecond {
		time.Sleep(2 * time.Millisecond)
		if now := p.size(); now != size {
			size, since = now, time.Now()
		}
	}
	return size
}

// memory returns the program's largest resident memory, in bytes.
func (p *terminal) memory() int64 {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	words := strings.Fields(rest)
	kB, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return kB << 10
}

// processor is the time that all threads of the program have run.
func (p *terminal) processor() time.Duration {
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "task", "*", "schedstat"))
	if err != nil || len(files) == 0 {
		p.t.Fatal(err)
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended meanwhile
		}
		ns, err := strconv.ParseInt(string(bytes.Fields(text)[0]), 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// One key and its frame, without a terminal.
func BenchmarkKey(b *testing.B) {
	f := tuitest.New()
	f.Many()
	m := NewModel(context.Background(), fake{f}, Options{Color: true}, nil)
	m.all, _ = f.List(context.Background())
	m.read = true
	m.list.settle(m)
	keys := []tea.KeyPressMsg{tuitest.Press("j"), tuitest.Press("k"), tuitest.Press("pgdown"), tuitest.Press("pgup")}
	for i := 0; b.Loop(); i++ {
		m.Update(keys[i%len(keys)])
		m.View()
	}
}
