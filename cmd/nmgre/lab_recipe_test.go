package main

import (
	"embed"
	"flag"
	"os"
	"path"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// The recipes of the manual, a file each: the title, its use, and the lines to type, each with the
// host before it. A test types them as they stand. The manual has them in the order of the files'
// names; "go test ./cmd/nmgre -run RecipesInTheManual -update" writes them there.
//
// A test of a recipe is named TestLabRecipe... and runs in "make recipes". One with the line
// "//lab:recipes" above it runs there alone, and not in "make test".

//go:embed testdata/recipes
var recipeFiles embed.FS

// recipe is one of them.
type recipe struct {
	title, text string
	lines       []string // "linux1# nmgre list"
}

// readRecipe reads a recipe, by the name of its file without the number and the ending.
func readRecipe(t *testing.T, name string) recipe {
	t.Helper()
	const dir = "testdata/recipes"
	files, err := recipeFiles.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.Name() != name && !strings.HasSuffix(file.Name(), "-"+name+".txt") {
			continue
		}
		data, err := recipeFiles.ReadFile(path.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(strings.TrimSpace(string(data)), "\n\n", 3)
		if len(parts) != 3 {
			t.Fatalf("%s has no title, text and lines", file.Name())
		}
		return recipe{parts[0], parts[1], strings.Split(parts[2], "\n")}
	}
	t.Fatalf("there is no recipe %s", name)
	return recipe{}
}

// typed types the lines of a recipe, each of which must work. It returns the output of each.
func (r recipe) typed(t *testing.T) []string {
	t.Helper()
	said := make([]string, len(r.lines))
	for i, line := range r.lines {
		host, command, ok := strings.Cut(line, "# ")
		if !ok {
			t.Fatalf("no host stands before: %s", line)
		}
		result := lab.Host(host).Try("sh", "-c", command)
		if result.Code != 0 {
			t.Fatalf("%s: exit %d\n%s%s", line, result.Code, result.Stdout, result.Stderr)
		}
		said[i] = result.Stdout + result.Stderr
	}
	return said
}

// The manual has the recipes, as they are typed in the lab.
func TestRecipesInTheManual(t *testing.T) {
	const name, begin, end = "manual/recipes.md", "<!-- recipes -->\n", "<!-- end of the recipes -->\n"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), begin)
	old, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatal("the manual has no place for the recipes")
	}
	files, err := recipeFiles.ReadDir("testdata/recipes")
	if err != nil {
		t.Fatal(err)
	}
	var now strings.Builder
	for _, file := range files {
		r := readRecipe(t, file.Name())
		now.WriteString("## " + r.title + "\n\n" + r.text + "\n\n```console\n" + strings.Join(r.lines, "\n") + "\n```\n\n")
	}
	if old == now.String() {
		return
	}
	if update := flag.Lookup("update"); update != nil && update.Value.String() == "true" {
		if err := os.WriteFile(name, []byte(before+begin+now.String()+end+after), 0o644); err != nil { //nolint:gosec // as it was
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the manual has other recipes than testdata/recipes; write them there: go test ./cmd/nmgre -run RecipesInTheManual -update")
}

// A protected address: packets with it as their source leave by the tunnel.
func TestLabRecipeProtectedAddress(t *testing.T) {
	lab.Need(t)
	said := readRecipe(t, "protected-address").typed(t)
	if !strings.Contains(said[2], "dev gre1 table 100") || !strings.Contains(said[3], "dev eth0") {
		t.Errorf("the ways are\n%s%s", said[2], said[3])
	}
	if !strings.Contains(said[4], "from 10.0.0.2 table 100 priority 20000") || !strings.Contains(said[5], "verdict: pass") {
		t.Errorf("nmgre says\n%s%s", said[4], said[5])
	}
	if lab.Linux1.Try("ping", "-c1", "-W2", "-I", "10.0.0.2", lab.LAN2Addr).Code != 0 {
		t.Error("LAN2 does not answer to the protected address")
	}
}

// Two providers: the second tunnel takes over while the first is down.
func TestLabRecipeTwoProviders(t *testing.T) {
	lab.Need(t)
	lab.Linux2.Run(t, "ip", "address", "add", "100.0.2.101/24", "dev", "eth0")
	defer lab.Linux2.Try("ip", "address", "del", "100.0.2.101/24", "dev", "eth0")
	said := readRecipe(t, "two-providers").typed(t)
	if !strings.Contains(said[4], "dev gre1") || !strings.Contains(said[6], "dev gre2") {
		t.Errorf("the ways are\n%s%s", said[4], said[6])
	}
	if way := wayFrom(t, lab.Linux1, "10.10.2.100", ""); !strings.Contains(way, "dev gre1") {
		t.Errorf("with both tunnels up again: %s", way)
	}
}
