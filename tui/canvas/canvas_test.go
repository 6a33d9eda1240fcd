package canvas

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// onTerminal returns a canvas that has the terminal, the bytes that it writes from now on, and how
// often the terminal was restored.
func onTerminal(t *testing.T) (*Canvas, *written, *int) {
	t.Helper()
	out := &written{}
	restored := 0
	c := New(&out.Buffer, func() (func(), error) { return func() { restored++ }, nil })
	out.c = c
	if err := c.Enter(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[?1049h") {
		t.Errorf("the alternate screen is not switched on: %q", out.String())
	}
	out.Reset()
	return c, out, &restored
}

// written has the output of a canvas.
type written struct {
	bytes.Buffer
	c *Canvas
}

func (w *written) String() string { w.c.out.Flush(time.Minute); return w.Buffer.String() }

func (w *written) Len() int { w.c.out.Flush(time.Minute); return w.Buffer.Len() }

// A frame writes the rows that have changed, and no others.
func TestDrawsChangedRows(t *testing.T) {
	c, out, _ := onTerminal(t)
	c.Draw(tea.View{Content: "one\ntwo\nthree"})
	for _, row := range []string{"one", "two", "three"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("the first frame lacks %s: %q", row, out.String())
		}
	}
	out.Reset()
	if c.Draw(tea.View{Content: "one\n2\nthree"}); out.String() != "\x1b[2;1H2\x1b[K" {
		t.Errorf("wrote %q", out.String())
	}
	out.Reset()
	if c.Draw(tea.View{Content: "one\n2\nthree"}); out.Len() > 0 {
		t.Errorf("the same frame wrote %q", out.String())
	}
	if c.Forget(); !c.Early(time.Minute) || c.Early(0) {
		t.Error("the last frame was just now")
	}
	if c.Draw(tea.View{Content: "one\n2\nthree"}); !strings.Contains(out.String(), "one") {
		t.Errorf("a forgotten frame is not written again: %q", out.String())
	}
}

// The cursor and the mouse follow the frame.
func TestCursorAndMouse(t *testing.T) {
	c, out, _ := onTerminal(t)
	c.Draw(tea.View{Content: "one", Cursor: tea.NewCursor(4, 0), MouseMode: tea.MouseModeCellMotion})
	for _, want := range []string{"\x1b[1;5H\x1b[?25h", mouseOn} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
	out.Reset()
	if c.Draw(tea.View{Content: "one"}); out.String() != "\x1b[?25l"+mouseOff {
		t.Errorf("wrote %q", out.String())
	}
}

// The terminal is restored once, and nothing is written after that.
func TestLeave(t *testing.T) {
	c, out, restored := onTerminal(t)
	c.Clip("copied")
	if !strings.Contains(out.String(), "\x1b]52;c;Y29waWVk\a") {
		t.Errorf("wrote %q", out.String())
	}
	c.Leave()
	c.Leave()
	if *restored != 1 || !strings.HasSuffix(out.String(), "\x1b[?1049l") {
		t.Errorf("restored %d times, wrote %q", *restored, out.String())
	}
	out.Reset()
	c.Draw(tea.View{Content: "one"})
	if c.Clip("copied"); out.Len() > 0 {
		t.Errorf("wrote %q without the terminal", out.String())
	}
}

// A terminal whose modes cannot be set is left alone.
func TestNoTerminal(t *testing.T) {
	var out bytes.Buffer
	gone := errors.New("gone")
	c := New(&out, func() (func(), error) { return nil, gone })
	if err := c.Enter(); !errors.Is(err, gone) || out.Len() > 0 {
		t.Errorf("%v, wrote %q", err, out.String())
	}
}
