package main

import (
	"bufio"
	"io"
	"text/tabwriter"
)

// table writes what fill does, its columns (separated by tabs) aligned. tabwriter writes every cell
// and every padding by itself, and a list can have a hundred thousand rows: they go out in few
// pieces.
func (a *app) table(fill func(w io.Writer)) error {
	out := bufio.NewWriterSize(a.stdout, 1<<16)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fill(w)
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Flush()
}
