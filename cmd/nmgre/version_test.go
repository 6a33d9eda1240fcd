package main

import (
	"debug/elf"
	"strings"
	"testing"

	"nmgre/cmd/nmgre/release"
)

// The version is asked for by the command, by the flag, and by its short form, whatever else is
// said.
func TestVersion(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{
		"version": "nmgre " + release.Version + " (go", "version --json": `"version": "` + release.Version + `"`,
		"--version": "nmgre " + release.Version + "\n", "-v": "nmgre " + release.Version + "\n", "--version --plain": "nmgre " + release.Version + "\n",
	} {
		if o := w.must(strings.Fields(line)...); !strings.Contains(o.stdout, want) || o.stderr != "" {
			t.Errorf("nmgre %s printed %q and %q, want %q", line, o.stdout, o.stderr, want)
		}
	}
}

// A method that is looked up by a name that only the running program knows makes the linker keep
// all methods of all types. Templates do so.
func TestNoTemplates(t *testing.T) {
	file, err := elf.Open(buildProduct(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	symbols, err := file.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range symbols {
		if symbol.Name == "text/template.(*Template).Execute" {
			t.Fatal("the program has templates")
		}
	}
}
