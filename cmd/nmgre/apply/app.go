// Package apply is the part of the command line that is about documents: the commands apply, export
// and plan. Package main hangs them in. The fields of a document are in nm/document, and the steps
// that it takes on a host are decided in nm/reconcile. Begin at [App].
package apply

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/around"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm/document"
	"nmgre/routes/fault"
)

// App is the program around the commands of this room.
type App struct {
	around.Program
	Own      func() []netip.Addr    // this host's addresses
	Verbose  func() bool            // every step is shown
	Hostname func() (string, error) // [os.Hostname]
}

// Example is the document that the help shows.
const Example = `  tunnels:                              # of this host
    - name: gre1
      peer: 203.0.113.2                 # the fields are create's flags, lists in the plural
      addresses: [172.16.0.1/30]
      routes: [10.10.2.0/24]
    - {name: gre2, state: absent}

  hosts:                                # or: named hosts, and the links between them
    paris: {outer: 192.0.2.1, networks: [10.1.0.0/24]}
    rome: {outer: 192.0.2.2, networks: [10.2.0.0/24]}
  pool: 172.31.0.0/16                   # each link gets two addresses of it
  key-pool: 1-65535                     # and a key of these
  links:
    - full: all                         # or star: paris, or between: [paris, rome]`

// noArguments refuses every argument.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fault.Invalid("", "give the document with -f: "+cmd.CommandPath()+" -f "+fault.Operand(args[0]), "unexpected argument %s", fault.Printable(args[0]))
}

// read reads the document in a file, or from standard input.
func (a App) read(name string) (*document.Document, error) {
	if name == "" {
		return nil, fault.Invalid("file", "give the document: -f FILE, or -f - for standard input", "the document is missing")
	}
	in := a.In
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the caller's own file, with the caller's own rights
		if err != nil {
			return nil, fault.Invalid("file", "give a file, or - for standard input", "%s", fault.Printable(err.Error()))
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, document.MaxInput+1))
	if err != nil {
		return nil, fault.Invalid("file", "give a file, or - for standard input", "%s", fault.Printable(name+": "+err.Error()))
	}
	return document.Parse(string(text), document.Options{Names: a.Names()})
}

// hostOf returns the document's name for a host: the given one, or for an empty one this host's
// name, whole or without its domain.
func (a App) hostOf(d *document.Document, given string) (string, error) {
	if given != "" || len(d.Hosts()) == 0 {
		return given, nil
	}
	own, err := a.Hostname()
	if err != nil {
		return "", fault.Invalid("host", "give it: --host NAME", "this host's name is not known: %s", fault.Printable(err.Error()))
	}
	short, _, _ := strings.Cut(own, ".")
	for _, name := range []string{own, short} {
		for _, host := range d.Hosts() {
			if strings.EqualFold(host, name) {
				return host, nil
			}
		}
	}
	for _, host := range d.Hosts() { // the document may have the domain that the host's name lacks
		if first, _, _ := strings.Cut(host, "."); strings.EqualFold(first, short) {
			return host, nil
		}
	}
	return own, nil // the document says which hosts it has
}

// fileFlag adds -f.
func fileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "the document, or - for standard input (required)")
}

// ownAddresses are this host's addresses, none of which is a far end.
func (a App) ownAddresses() []netip.Addr {
	if a.Own == nil {
		return nil
	}
	return a.Own()
}

// tell writes a line for the person.
func (a App) tell(format string, args ...any) {
	fmt.Fprintf(a.Err, "nmgre: %s\n", output.OneLine(fmt.Sprintf(format, args...)))
}
