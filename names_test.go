package nmgre_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// uuidFiles are the golden files whose messages have a UUID, with the reason.
var uuidFiles = map[string]string{
	"testdata/edit/everything.txt":         "the steps rename the profile",
	"testdata/edit/name.txt":               "the steps rename the profile",
	"testdata/edit/name-in-routes.txt":     "the steps rename the profile",
	"testdata/edit/name-of-its-own.txt":    "the profile's name, to Berlin, is no plain word",
	"nm/verify/testdata/cause/d37-*.txt":   "a link or a profile has the name, too",
	"cmd/nmgre/output/testdata/all-*.out":  "two tunnels have one name",
	"nm/dbus/wire/testdata/settings/*.txt": "the settings themselves",
	"cmd/nmgre/testdata/edit-flaps.out":    "the steps rename the profile",
	"cmd/nmgre/testdata/show.out":          "show has a line for the UUID",
	"testdata/faults.txt":                  "a fault is about UUIDs",
	"tui/testdata/screens/delete-*.txt":    "the tunnel is made again with another UUID",
	"nm/testdata/validate/*.txt":           "a parent may be given by its UUID",
	"nm/notation/importer/testdata/read/*": "the inputs themselves, and what becomes of them",
	"cmd/nmgre/testdata/import-help.out":   "a notation may not know a bridge by its UUID",
}

// Messages, evidence and commands name a profile by its name wherever it has one of its own.
func TestMessagesNameProfiles(t *testing.T) {
	uuid, field := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}|\bUUID\b`), regexp.MustCompile(`"[a-z_]*uuid"`)
	texts, found := 0, make(map[string]bool)
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, entry fs.DirEntry, err error) error {
		if file == "build" {
			return fs.SkipDir // the labs' file systems, while they are built
		}
		if err != nil || entry.IsDir() || !strings.Contains(file, "testdata/") || !slices.Contains([]string{".txt", ".out"}, path.Ext(file)) {
			return err
		}
		texts++
		for _, line := range lines(t, file) {
			if !uuid.MatchString(line) || field.MatchString(line) {
				continue
			}
			allowed := false
			for pattern := range uuidFiles {
				if ok, _ := path.Match(pattern, file); ok {
					found[pattern], allowed = true, true
				}
			}
			if !allowed {
				t.Errorf("%s: %s", file, line)
			}
		}
		return nil
	})
	if err != nil || texts < 100 {
		t.Fatalf("%d texts, %v", texts, err)
	}
	for pattern, why := range uuidFiles {
		if !found[pattern] {
			t.Errorf("no UUID in %s, where %s", pattern, why)
		}
	}
}
