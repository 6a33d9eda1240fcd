package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// keysOf adds the keys of the objects in a value, no deeper than so many objects, below the path.
func keysOf(value any, path string, deep int, into map[string]bool) {
	switch v := value.(type) {
	case []any:
		for _, one := range v {
			keysOf(one, path, deep, into)
		}
	case map[string]any:
		for key, one := range v {
			if into[path+key] = true; deep > 1 {
				keysOf(one, path+key+".", deep-1, into)
			}
		}
	}
}

// The manual names every field that the commands print as JSON.
func TestManualNamesFields(t *testing.T) {
	page, err := os.ReadFile("manual/json.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.wellFiles()
	w.must(createArgs...)
	for line, deep := range map[string]int{
		"list --json": 2, "verify gre1 --json --no-probe": 2, "verify --all --json": 2, "route list gre1 --json": 1, "doctor --json": 1,
		"route add gre1 10.88.0.0/16 --json": 2,
	} {
		keys := make(map[string]bool)
		o := w.run(strings.Fields(line)...)
		var value any
		if err := json.Unmarshal([]byte(o.stdout), &value); err != nil {
			t.Errorf("%s: %v: %s%s", line, err, o.stdout, o.stderr)
		}
		keysOf(value, "", deep, keys)
		if len(keys) < 3 {
			t.Errorf("%s: %v", line, keys)
		}
		for key := range keys {
			if name := key[strings.LastIndex(key, ".")+1:]; !strings.Contains(string(page), `"`+name+`"`) {
				t.Errorf("%s: the manual does not name %s", line, key)
			}
		}
	}
}
