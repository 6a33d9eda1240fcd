package watchdog

import (
	"context"
	"strings"
	"time"

	"nmgre"
	"nmgre/routes/fault"
)

// Times of the work.
const (
	tries = 60 // a minute, with the pause between them
	pause = time.Second
	limit = 30 * time.Second // of one try
)

// Undo carries out the last line of a killed command, undoes its edit, and removes its new tunnel.
// The bus may take a moment to notice that a process is gone, and NetworkManager may be away: Undo
// tries for a minute. open opens the host.
func Undo(ctx context.Context, open func(context.Context) (*nmgre.Host, func(), error), what string) error {
	w := work{open: open, what: what}
	err := w.try(ctx)
	for n := 1; n < tries && (err != nil || w.left) && ctx.Err() == nil; n++ {
		fault.Pause(ctx, pause)
		err = w.try(ctx)
	}
	return err
}

// work is the work that is left to undo.
type work struct {
	open func(context.Context) (*nmgre.Host, func(), error)
	what string // "up NAME", "down NAME", or empty
	left bool   // another process makes or edits a tunnel, or the bus has not noticed its end
}

// try undoes as much as it can.
func (w *work) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	host, closeHost, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer closeHost()
	switch verb, name, _ := strings.Cut(w.what, " "); verb {
	case "up":
		_, err = host.Up(ctx, name)
	case "down":
		_, err = host.Down(ctx, name)
	}
	if err != nil {
		return err
	}
	w.what, w.left = "", false
	all, err := host.List(ctx)
	for _, s := range all {
		w.left = w.left || s.Edit != nil || s.Trial
	}
	return err
}
