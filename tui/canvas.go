package tui

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// canvas draws frames on the terminal. Bubble Tea's own renderer wakes up sixty times a second:
// that costs an idle screen too much, and a frame waits for its turn. The canvas writes the changed
// rows as soon as they change.
type canvas struct {
	mu     sync.Mutex
	out    io.Writer
	raw    func() (func(), error)
	cooked func() // sets the terminal's modes as they were; nil while they are
	rows   []string
	cursor string
	mouse  tea.MouseMode
	drawn  time.Time
}

// Switched on for the screen, and off after it: the alternate screen, and bracketed paste, which
// tells pastes from typing.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[2J"
	leaveScreen = "\x1b[?1002l\x1b[?1006l\x1b[?2004l\x1b[m\x1b[2J\x1b[?25h\x1b[?1049l"
	mouseOn     = "\x1b[?1002h\x1b[?1006h"
	mouseOff    = "\x1b[?1002l\x1b[?1006l"
)

// enter takes over the terminal.
func (c *canvas) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked != nil {
		return nil
	}
	cooked, err := c.raw()
	if err != nil {
		return err
	}
	c.cooked, c.rows, c.cursor, c.mouse = cooked, nil, "", tea.MouseModeNone
	_, err = io.WriteString(c.out, enterScreen)
	return err
}

// leave gives the terminal back as it was. It may be called more than once.
func (c *canvas) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked == nil {
		return
	}
	_, _ = io.WriteString(c.out, leaveScreen) // a terminal that has gone needs no cleaning
	c.cooked()
	c.cooked = nil
}

// forget makes the next frame write every row.
func (c *canvas) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows, c.cursor = nil, ""
}

// draw writes the rows that have changed.
func (c *canvas) draw(v tea.View) {
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
		_, _ = io.WriteString(c.out, b.String()) // a terminal that has gone ends the input too
	}
}

// clip copies a text to the terminal's clipboard (OSC 52).
func (c *canvas) clip(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cooked != nil {
		// as with draw
		_, _ = io.WriteString(c.out, "\x1b]52;c;"+base64.StdEncoding.EncodeToString([]byte(text))+"\a")
	}
}

// modes switches the mouse on or off, as the frame wants it.
func (c *canvas) modes(v tea.View) string {
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

// frameRest is the least time between two frames that no key has asked for. Events that come in
// swarms are drawn once.
const frameRest = 25 * time.Millisecond

// painted is a model with the canvas that draws its frames.
type painted struct {
	*Model
	canvas  *canvas
	wake    func(time.Duration) // sends a frameMsg after a while
	waiting bool                // one is on its way
}

// frameMsg is the time for a frame that was put off.
type frameMsg struct{}

// Update takes a message, and draws the new frame.
func (p *painted) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	// Bubble Tea has no terminal to ask, as it does not draw
	if size, ok := msg.(tea.WindowSizeMsg); ok && size.Width <= 0 {
		return p, nil
	}
	if _, ok := msg.(frameMsg); !ok {
		_, cmd = p.Model.Update(msg)
	}
	switch msg.(type) {
	case tea.WindowSizeMsg:
		p.canvas.forget()
	case frameMsg:
		p.waiting = false
	case tea.KeyPressMsg, tea.PasteMsg, tea.MouseMsg:
	default:
		if p.canvas.early() {
			if !p.waiting {
				p.waiting = true
				p.wake(frameRest)
			}
			return p, cmd
		}
	}
	if p.redraw {
		p.redraw = false
		p.canvas.forget()
	}
	p.canvas.draw(p.Model.View())
	return p, cmd
}

// View is empty: Bubble Tea's own renderer is not used.
func (p *painted) View() tea.View { return tea.NewView("") }

// early says whether the last frame was just now.
func (c *canvas) early() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.drawn) < frameRest
}
