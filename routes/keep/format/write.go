package format

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/ident"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// Write writes k as text that a person can read, and that [Parse] reads back as the same k.
// It fails with [fault.ErrInvalid] where that is not possible; part of the text may then have been
// written to w.
func Write(w io.Writer, k keep.Kept) (int64, error) {
	if err := writable(k); err != nil {
		return 0, err
	}
	b := bufio.NewWriter(w)
	var written int64
	var odd error
	line := func(words ...string) {
		text := strings.Join(words, " ")
		if odd == nil && (!fault.IsPrintable(text) || len(text) > len("route ")+routes.MaxSpec) {
			odd = oddLine(text)
		}
		n, _ := b.WriteString(text + "\n") // Flush has the error
		written += int64(n)
	}
	writeLines(k, line)
	if odd == nil {
		var n int64
		n, odd = writeRoutes(b, k.Routes)
		written += n
	}
	if odd != nil {
		return 0, odd
	}
	return written, b.Flush()
}

// writable checks the UUID and the names of devices, which are written as they are.
func writable(k keep.Kept) error {
	if !ident.IsUUID(k.UUID) {
		return fault.Invalid("", "", "\"%.80s\" is no profile's UUID", fault.Printable(k.UUID))
	}
	if i := slices.IndexFunc(k.Policy, func(r rule.Rule) bool { return !r.HasPriority }); i >= 0 {
		return fault.Invalid("rule", "", "the rule %s has no priority", k.Policy[i])
	}
	if k.PeerName != "" && !ident.IsHostName(k.PeerName) {
		return fault.Invalid("follow", "", "\"%.80s\" is not the name of a host", fault.Printable(k.PeerName))
	}
	for _, name := range append([]string{k.Name}, k.Forward...) {
		if !routes.IsDevice(name) {
			return badDevice(name)
		}
	}
	return nil
}

// writeLines writes everything but the routes.
func writeLines(k keep.Kept, line func(words ...string)) {
	line("# nmgre keeps this for the tunnel " + k.Name + ", because NetworkManager cannot. Edited lines take effect when the tunnel next comes up.")
	line("version", keptVersion)
	line("uuid", k.UUID)
	line("interface", k.Name)
	if k.Remote.IsValid() {
		line("remote", k.Remote.String())
	}
	if k.PeerName != "" {
		line("follow", k.PeerName)
	}
	for _, n := range k.Inner {
		line("inner", n.String())
	}
	for _, s := range k.SNAT {
		line("snat", s.Dst.String(), s.SourceText())
	}
	if len(k.Forward) > 0 {
		line(append([]string{"forward"}, k.Forward...)...)
	}
	for _, r := range k.Policy {
		line("rule", r.String())
	}
	if k.ClampMSS {
		line("clamp-mss")
	}
	if k.Pin {
		line("pin")
	}
	if k.Link.Any() {
		line("link", k.Link.String())
	}
}

// writeRoutes writes a line for each route, all with one buffer: there may be very many.
func writeRoutes(w *bufio.Writer, all []routes.Route) (written int64, err error) {
	const word = "route "
	var text []byte
	for i := range all {
		text = all[i].AppendSpec(append(text[:0], word...), "")
		if !isPlainText(text) && !fault.IsPrintable(string(text)) || len(text) > len(word)+routes.MaxSpec {
			return written, oddLine(string(text))
		}
		n, _ := w.Write(append(text, '\n')) // Flush has the error
		written += int64(n)
	}
	return written, nil
}

// isPlainText reports whether text has only printable characters of ASCII.
func isPlainText(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// oddLine is the error about a line that would be read back as another: a line break in it would
// begin a line with a meaning of its own.
func oddLine(text string) error {
	return fault.Invalid("", "", "\"%.80s\" cannot be written down", fault.Printable(text))
}
