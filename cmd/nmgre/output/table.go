package output

import (
	"bufio"
	"io"
	"text/tabwriter"
)

// table writes the rows of fill with their tab-separated columns aligned. The buffer is there
// because tabwriter makes a write of every cell and every padding, and a list can have a hundred
// thousand rows.
func table(to io.Writer, fill func(w io.Writer)) error {
	out := bufio.NewWriterSize(to, 1<<16)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fill(w)
	if err := w.Flush(); err != nil {
		return err
	}
	return out.Flush()
}
