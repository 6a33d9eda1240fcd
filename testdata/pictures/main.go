// Command pictures turns screens that tmux has captured with their colours into SVG, for the
// README and the manual.
//
//	go run ./testdata/pictures FOLDER-OF-ANSI-FILES FOLDER-OF-SVG-FILES
package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// The size of a cell, and of the margin around the screen, in pixels.
const (
	cellWidth  = 8.4
	cellHeight = 17 // as high as frames are drawn: their lines meet
	margin     = 12
)

// palette has the colours of a dark terminal.
var palette = map[string]string{"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "36": "#79c0ff"}

const (
	ground = "#0d1117"
	ink    = "#d0d7de"
	faint  = "#8b949e"
)

// pen is the style of the next text.
type pen struct {
	color                         string
	bold, dim, underline, reverse bool
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pictures FROM TO")
		os.Exit(2)
	}
	if err := convert(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func convert(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.ansi"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no screens in %s: %w", from, err)
	}
	for _, file := range files {
		screen, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".ansi") + ".svg"
		if err := os.WriteFile(filepath.Join(to, name), []byte(svg(string(screen))), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// svg draws a screen.
func svg(screen string) string {
	lines := strings.Split(strings.TrimRight(screen, "\n"), "\n")
	columns := 0
	var body strings.Builder
	for row, line := range lines {
		columns = max(columns, drawLine(&body, line, row))
	}
	width, height := float64(columns)*cellWidth+2*margin, len(lines)*cellHeight+2*margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="ui-monospace,DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="14">
<rect width="100%%" height="100%%" rx="8" fill="%s"/>
%s</svg>
`, width, height, ground, body.String())
}

// drawLine draws a row, and returns how many cells it has.
func drawLine(b *strings.Builder, line string, row int) int {
	var p pen
	column := 0
	for line != "" {
		if strings.HasPrefix(line, "\x1b[") {
			end := strings.IndexByte(line, 'm')
			if end < 0 {
				break
			}
			p.set(line[2:end])
			line = line[end+1:]
			continue
		}
		text := line
		if next := strings.IndexByte(line, 0x1b); next >= 0 {
			text = line[:next]
		}
		line = line[len(text):]
		if text == "" {
			line = line[1:]
			continue
		}
		p.draw(b, text, column, row)
		column += utf8.RuneCountInString(text)
	}
	return column
}

// set changes the style by the parameters of an SGR sequence.
func (p *pen) set(parameters string) {
	for _, n := range strings.Split(parameters, ";") {
		switch n {
		case "", "0":
			*p = pen{}
		case "1":
			p.bold = true
		case "2":
			p.dim = true
		case "4":
			p.underline = true
		case "7":
			p.reverse = true
		case "22":
			p.bold, p.dim = false, false
		case "24":
			p.underline = false
		case "27":
			p.reverse = false
		case "39":
			p.color = ""
		default:
			p.color = palette[n]
		}
	}
}

// draw writes a text of one style.
func (p pen) draw(b *strings.Builder, text string, column, row int) {
	n := utf8.RuneCountInString(text)
	x, y, width := margin+float64(column)*cellWidth, margin+row*cellHeight, float64(n)*cellWidth
	front, back := p.color, ""
	if front == "" {
		front = ink
		if p.dim {
			front = faint
		}
	}
	if p.reverse {
		front, back = ground, front
	}
	if back != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, y, width, cellHeight, back)
	}
	if strings.TrimSpace(text) == "" && !p.underline {
		return
	}
	style := ""
	if p.bold {
		style += ` font-weight="bold"`
	}
	if p.underline {
		style += ` text-decoration="underline"`
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve" fill="%s"%s>%s</text>`+"\n",
		x, y+cellHeight-4, width, front, style, html.EscapeString(text))
}
