package canvas

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// stopped is a terminal that takes nothing until it is let go.
type stopped struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (s *stopped) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// A terminal that stands still holds up nothing. Once it goes on, it has the whole last frame.
func TestStandingTerminal(t *testing.T) {
	s := &stopped{}
	s.mu.Lock()
	c := New(s, func() (func(), error) { return func() {}, nil })
	begin := time.Now()
	if err := c.Enter(); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		c.Draw(tea.View{Content: strings.Repeat(string(rune('a'+i%20)), 40<<10)})
	}
	c.out.Flush(50 * time.Millisecond)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := len(c.out.pending); n > mostPending {
		t.Errorf("%d bytes are waiting", n)
	}
	s.mu.Unlock()
	c.out.Flush(time.Minute)
	s.out.Reset()
	c.Draw(tea.View{Content: "the last frame"})
	c.out.Flush(time.Minute)
	if !strings.Contains(s.out.String(), "the last frame") {
		t.Errorf("it has %q", s.out.String())
	}
	c.Print("not under a drawn screen")
	c.Close()
	c.Print("after it")
	if err := c.Enter(); err != nil || c.cooked != nil {
		t.Error("it took the terminal again after its end")
	}
	c.out.Flush(time.Minute)
	if got := s.out.String(); strings.Contains(got, "under") || !strings.HasSuffix(got, "after it") {
		t.Errorf("it has %q", got)
	}
}

// Messages come in their order, and who sends them does not wait for their receiver.
func TestPost(t *testing.T) {
	wait, got := make(chan struct{}), make(chan tea.Msg, 1000)
	p := Post{Deliver: func(msg tea.Msg) { <-wait; got <- msg }}
	for i := range 1000 {
		p.Send(i)
	}
	close(wait)
	for i := range 1000 {
		if msg := <-got; msg != i {
			t.Fatalf("message %d is %v", i, msg)
		}
	}
}
