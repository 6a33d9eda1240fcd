package nmgre_test

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// makeWould returns the words of the commands that make would carry out below the folder /d, of
// those that begin with program.
func makeWould(t *testing.T, target, program string) (lines [][]string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "make", "-n", target, "DESTDIR=/d").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == program {
			lines = append(lines, words[1:])
		}
	}
	return lines
}

// installed returns the files that a command line of install makes.
func installed(words []string) (files []string) {
	at := slices.Index(words, "-t")
	if at < 0 {
		return words[len(words)-1:]
	}
	for _, file := range words[at+2:] {
		if name := path.Base(file); name == "*.8" { // the manual pages
			files = append(files, path.Join(words[at+1], "nmgre.8"), path.Join(words[at+1], "nmgre-*.8"))
		} else {
			files = append(files, path.Join(words[at+1], name))
		}
	}
	return files
}

// make uninstall removes every file that make install has made, and names no other.
func TestUninstall(t *testing.T) {
	var made, removed []string
	for _, words := range makeWould(t, "install", "install") {
		made = append(made, installed(words)...)
	}
	for _, words := range makeWould(t, "uninstall", "rm") {
		removed = append(removed, words[1:]...)
	}
	slices.Sort(made)
	slices.Sort(removed)
	if len(made) == 0 || !slices.Equal(made, removed) {
		t.Errorf("installed: %v\nremoved: %v", made, removed)
	}
}
