package main

import (
	"os"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/checkup"
	"nmgre/cmd/nmgre/release"
	"nmgre/cmd/nmgre/term"
	"nmgre/nm/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	return checkup.Command(a.checkup, a.stdout, a.width, errFault)
}

// checkup returns this host, to look at.
func (a *app) checkup() checkup.Host {
	_, out, is := a.terminal()
	t := doctor.Terminal{Is: is, Name: os.Getenv("TERM"), UTF8: term.IsUTF8()}
	if is {
		t.Columns, t.Rows, _ = term.Size(out)() // else the size is not known
	}
	b := release.This()
	p := doctor.Program{Version: b.Version, Go: b.Go, Commit: b.Commit, Modified: b.Modified}
	return checkup.Host{Root: a.root, Program: p, Terminal: t, Bus: a.bus, Open: a.open, Local: a.local, Tables: a.tables}
}
