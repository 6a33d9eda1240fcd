//go:build man

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/nm/verify/cause"
)

// The manual pages are made from the same texts as --help.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	newWorld(t).must("man", dir)
	for _, page := range []string{"nmgre.8", "nmgre-create.8", "nmgre-verify.8", "nmgre-list.8", "nmgre-show.8", "nmgre-up.8", "nmgre-down.8", "nmgre-delete.8", "nmgre-completion.8", "nmgre-version.8"} {
		if _, err := os.Stat(filepath.Join(dir, page)); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "nmgre-create.8"))
	if err != nil || !strings.Contains(string(text), "peer") || !strings.Contains(string(text), "172.16.0.1/30") {
		t.Errorf("nmgre-create.8: %v\n%s", err, text)
	}
	// the causes are told in the one page where a person looks for them
	text, err = os.ReadFile(filepath.Join(dir, "nmgre-verify.8"))
	for _, c := range cause.Causes() {
		if err != nil || !strings.Contains(string(text), "\\fB"+c.ID+"\\fP") {
			t.Errorf("nmgre-verify.8 does not tell %s: %v", c.ID, err)
		}
	}
}
