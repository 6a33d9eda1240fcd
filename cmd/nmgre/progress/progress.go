// Package progress shows how far a long work is: by a bar on a terminal, elsewhere by a line now
// and then. Begin at [Routes].
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// every is how often a line tells the progress of many routes where there is no terminal.
const every = time.Second

// Routes returns a function that shows how many of many routes are set: with a bar on a terminal,
// elsewhere with a line each second.
func Routes(to io.Writer) func(done, total int) {
	show := progressOf(to, "routes")
	bar := onTerminal(to)
	return func(done, total int) {
		show(done, total)
		if bar && done == total {
			fmt.Fprintln(to)
		}
	}
}

// Steps returns a function that shows how many of many steps are done, and one that removes the
// bar, as [Tunnels] does.
func Steps(to io.Writer) (show func(done, total int), clearBar func()) { return shown(to, "steps") }

// Tunnels returns a function that shows how many of many tunnels are verified, in the same way,
// and one that removes the bar.
func Tunnels(to io.Writer) (show func(done, total int), clearBar func()) { return shown(to, "tunnels") }

func shown(to io.Writer, things string) (show func(done, total int), clearBar func()) {
	bar, shown := onTerminal(to), false
	progress := progressOf(to, things)
	show = func(done, total int) {
		shown = true
		progress(done, total)
	}
	return show, func() {
		if bar && shown {
			fmt.Fprintf(to, "\r%s\r", strings.Repeat(" ", barWidth+len("[] 1000000 of 1000000 tunnels")))
		}
	}
}

// barWidth is the width of a bar, in columns, without its numbers.
const barWidth = 30

// progressOf shows how many of many things are done: with a bar, which is drawn over the last one,
// or with a line each second.
func progressOf(to io.Writer, things string) func(done, total int) {
	last := time.Now()
	bar := onTerminal(to)
	return func(done, total int) {
		switch {
		case bar:
			full := 0
			if total > 0 {
				full = barWidth * done / total
			}
			fmt.Fprintf(to, "\r[%s%s] %d of %d %s", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), done, total, things)
		case time.Since(last) >= every && done < total:
			last = time.Now()
			fmt.Fprintf(to, "nmgre: %d of %d %s\n", done, total, things)
		}
	}
}

// onTerminal reports whether to is a terminal that can draw a bar.
func onTerminal(to io.Writer) bool {
	file, ok := to.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
