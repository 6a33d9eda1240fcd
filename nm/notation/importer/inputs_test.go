package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/nm/notation"
	"nmgre/testdata/want"
)

// Each file of testdata/read has the inputs of one notation, with a line === NAME OPTIONS above
// each. The golden file has the imports.
func TestInputs(t *testing.T) {
	files, err := filepath.Glob("testdata/read/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		kind := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(kind, func(t *testing.T) {
			var b strings.Builder
			inputs := inputsOf(t, file)
			if len(inputs) < 40 {
				t.Errorf("%d inputs", len(inputs))
			}
			for _, in := range inputs {
				b.WriteString("=== " + in.title + "\n" + text(in.text, in.opts))
			}
			want.Golden(t, "read/"+kind+".out", b.String())
		})
	}
}

type input struct {
	title, text string
	opts        Options
}

func inputsOf(t testing.TB, file string) []input {
	t.Helper()
	all, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var inputs []input
	for _, part := range strings.Split("\n"+string(all), "\n=== ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		in := input{title: title, text: body + "\n"}
		for _, word := range strings.Fields(title) {
			switch {
			case word == "--far":
				in.opts.Far = true
			case word == "--strict":
				in.opts.Strict = true
			case strings.HasPrefix(word, "--from="):
				in.opts.From = strings.TrimPrefix(word, "--from=")
			case word == "--host1":
				in.opts.Held = host1
			case word == "--host2":
				in.opts.Held = host2
			}
		}
		inputs = append(inputs, in)
	}
	return inputs
}

// A line that was not understood is never left out silently: each line that is not empty and no
// comment has a fate, with a reason unless it was taken.
func TestEveryLineHasAFate(t *testing.T) {
	files, _ := filepath.Glob("testdata/read/*.txt")
	for _, file := range files {
		for _, in := range inputsOf(t, file) {
			im, _ := Read(in.text, in.opts)
			for _, line := range im.Lines {
				if line.Fate != notation.Taken && line.Why == "" {
					t.Errorf("%s, %s: line %d has no reason", file, in.title, line.N)
				}
			}
		}
	}
}
