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
	last := time.Now()
	bar := a.onTerminal()
	return func(done, total int) {
		switch {
		case bar:
			const width = 30
			full := 0
			if total > 0 {
				full = width * done / total
			}
			fmt.Fprintf(a.stderr, "\r[%s%s] %d of %d routes", strings.Repeat("#", full), strings.Repeat("-", width-full), done, total)
			if done == total {
				fmt.Fprintln(a.stderr)
			}
		case time.Since(last) >= progressEvery && done < total:
			last = time.Now()
			fmt.Fprintf(a.stderr, "nmgre: %d of %d routes\n", done, total)
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
