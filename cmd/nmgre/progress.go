package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// progressEvery is how often a line tells the progress of many routes where there is no terminal.
const progressEvery = 2 * time.Second

// advance returns a function that shows how many of many routes are set: with a bar on a terminal,
// elsewhere with a line every two seconds.
func (a *app) advance() func(done, total int) {
	show := a.progressOf("routes")
	bar := a.onTerminal()
	return func(done, total int) {
		show(done, total)
		if bar && done == total {
			fmt.Fprintln(a.stderr)
		}
	}
}

// tunnelBar returns a function that shows how many of many tunnels are verified, in the same way,
// and one that removes the bar.
func (a *app) tunnelBar() (show func(done, total int), clearBar func()) {
	bar, shown := a.onTerminal(), false
	progress := a.progressOf("tunnels")
	show = func(done, total int) {
		shown = true
		progress(done, total)
	}
	return show, func() {
		if bar && shown {
			fmt.Fprintf(a.stderr, "\r%s\r", strings.Repeat(" ", barWidth+len("[] 1000000 of 1000000 tunnels")))
		}
	}
}

// barWidth is that of a bar, in columns, without its numbers.
const barWidth = 30

// progressOf shows how many of many things are done: with a bar, which is drawn over the last one,
// or with a line every two seconds.
func (a *app) progressOf(things string) func(done, total int) {
	last := time.Now()
	bar := a.onTerminal()
	return func(done, total int) {
		switch {
		case bar:
			full := 0
			if total > 0 {
				full = barWidth * done / total
			}
			fmt.Fprintf(a.stderr, "\r[%s%s] %d of %d %s", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), done, total, things)
		case time.Since(last) >= progressEvery && done < total:
			last = time.Now()
			fmt.Fprintf(a.stderr, "nmgre: %d of %d %s\n", done, total, things)
		}
	}
}

// onTerminal reports whether standard error is a terminal that can draw a bar.
func (a *app) onTerminal() bool {
	file, ok := a.stderr.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
