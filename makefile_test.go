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

// installed returns the file that a command line of install makes. Of several files it is the last.
func installed(words []string) string {
	file := words[len(words)-1]
	if at := slices.Index(words, "-t"); at >= 0 {
		return path.Join(words[at+1], path.Base(file))
	}
	return file
}

// make uninstall removes every file that make install has made, and names no other.
func TestUninstall(t *testing.T) {
	var removed []string
	for _, words := range makeWould(t, "uninstall", "rm") {
		removed = append(removed, words[1:]...)
	}
	count := 0
	for _, words := range makeWould(t, "install", "install") {
		file := installed(words)
		folder, name := path.Split(file)
		if name == "*.8" { // the manual pages
			for _, page := range []string{"nmgre.8", "nmgre-*.8"} {
				if !slices.Contains(removed, folder+page) {
					t.Errorf("%s stays", folder+page)
				}
				count++
			}
			continue
		}
		if !slices.Contains(removed, file) {
			t.Errorf("%s stays", file)
		}
		count++
	}
	if count != len(removed) || count == 0 {
		t.Errorf("%d files are installed, and %d removed: %v", count, len(removed), removed)
	}
}
