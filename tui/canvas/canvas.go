package canvas

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Canvas draws frames on the terminal. Bubble Tea's own renderer wakes up sixty times a second:
// that costs an idle screen too much, and a frame waits for its turn. The canvas writes the changed
// rows as soon as they change.
type Canvas struct {
	mu     sync.Mutex
	out    *Writer
	raw    func() (func(), error)
	cooked func() // sets the terminal's modes as they were; nil while they are
	closed bool   // it never enters the terminal again
	rows   []string
	cursor string
	mouse  tea.MouseMode
	drawn  time.Time
}

// New returns a canvas on a terminal. raw sets the terminal's modes for the screen, and returns a
// function that restores them.
func New(out io.Writer, raw func() (restore func(), err error)) *Canvas {
	return &Canvas{out: NewWriter(out), raw: raw}
}

// Switched on for the screen, and off after it: the alternate screen, and bracketed paste, which
// tells pastes from typing.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2J"
	leaveScreen = "\x1b[?1002l\x1b[?1006l\x1b[?2004l\x1b[m\x1b[2J\x1b[?25h\x1b[?1049l"
	mouseOn     = "\x1b[?1002h\x1b[?1006h"
	mouseOff    = "\x1b[?1002l\x1b[?1006l"
)

// leaveLimit is how long a terminal that stands still may take before it is left as it is.
const leaveLimit = time.Second

// Enter takes over the terminal.
func (c *Canvas) Enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked != nil || c.closed {
		return nil
	}
	cooked, err := c.raw()
	if err != nil {
		return err
	}
	c.cooked, c.rows, c.cursor, c.mouse = cooked, nil, "", tea.MouseModeNone
	c.write(enterScreen)
	return nil
}

// write hands a text to the terminal. A frame that it does not take is drawn whole once it does.
func (c *Canvas) write(text string) {
	if _, err := io.WriteString(c.out, text); err != nil {
		c.rows, c.cursor = nil, ""
	}
}

// Print writes a text to the terminal while the screen has left it.
func (c *Canvas) Print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked == nil {
		c.write(text)
	}
}

// Close leaves the terminal for good.
func (c *Canvas) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.Leave()
}

// Leave gives the terminal back as it was. It may be called more than once.
func (c *Canvas) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked == nil {
		return
	}
	c.write(leaveScreen)
	c.out.Flush(leaveLimit)
	c.cooked()
	c.cooked = nil
}

// Forget makes the next frame write every row.
func (c *Canvas) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows, c.cursor = nil, ""
}

// Draw writes the rows that have changed.
func (c *Canvas) Draw(v tea.View) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked == nil {
		return
	}
	c.drawn = time.Now()
	rows := strings.Split(v.Content, "\n")
	var b strings.Builder
	if len(rows) != len(c.rows) {
		b.WriteString("\x1b[m\x1b[2J")
		c.rows = make([]string, len(rows))
	}
	for i, row := range rows {
		if row != c.rows[i] {
			fmt.Fprintf(&b, "\x1b[%d;1H%s\x1b[K", i+1, row)
		}
	}
	c.rows = rows
	cursor := "\x1b[?25l"
	if v.Cursor != nil {
		cursor = fmt.Sprintf("\x1b[%d;%dH\x1b[?25h", v.Cursor.Y+1, v.Cursor.X+1)
	}
	if b.Len() > 0 && v.Cursor != nil || cursor != c.cursor {
		b.WriteString(cursor)
	}
	c.cursor = cursor
	b.WriteString(c.modes(v))
	if b.Len() > 0 {
		c.write(b.String())
	}
}

// Clip copies a text to the terminal's clipboard (OSC 52).
func (c *Canvas) Clip(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked != nil {
		c.write("\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\a")
	}
}

// modes switches the mouse on or off, as the frame wants it.
func (c *Canvas) modes(v tea.View) string {
	out := ""
	if v.MouseMode != c.mouse {
		c.mouse = v.MouseMode
		out = mouseOff
		if v.MouseMode != tea.MouseModeNone {
			out = mouseOn
		}
	}
	return out
}

// Early says whether the last frame was less than rest ago.
func (c *Canvas) Early(rest time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.drawn) < rest
}
