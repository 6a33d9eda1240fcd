package nmgre_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pureRooms import the standard library and the pure rooms named here, nothing else. The linter's
// configuration says the same, and which room stands on which.
var pureRooms = map[string][]string{
	"routes/fault":      {},
	"routes/packet":     {},
	"routes/gre":        {"routes/fault", "routes/packet"},
	"routes":            {"routes/fault", "routes/gre"},
	"routes/plain":      {},
	"routes/ident":      {},
	"routes/list":       {"routes", "routes/fault", "routes/plain", "routes/rule"},
	"routes/rule":       {"routes", "routes/fault", "routes/plain"},
	"routes/kernel":     {"routes", "routes/fault", "routes/gre", "routes/rule"},
	"routes/keep":       {"routes", "routes/fault", "routes/gre", "routes/ident", "routes/kernel", "routes/list", "routes/rule"},
	"nm":                {"routes", "routes/fault", "routes/gre", "routes/kernel", "routes/keep", "routes/list", "routes/rule"},
	"nm/nmcli":          {"nm", "routes", "routes/fault", "routes/rule"},
	"nm/metric":         {"routes", "routes/fault", "routes/kernel"},
	"nm/policy":         {"nm", "routes", "routes/fault", "routes/kernel", "routes/rule"},
	"nm/resolve":        {"nm", "routes/fault"},
	"nm/ends":           {"nm", "routes", "routes/fault", "routes/keep", "routes/kernel"},
	"nm/undo":           {"nm", "routes/fault", "routes/keep", "routes/kernel"},
	"nm/crowd":          {"nm", "routes/fault", "routes/keep", "routes/kernel"},
	"nm/cut":            {"nm", "nm/plan", "routes", "routes/fault", "routes/kernel", "routes/rule"},
	"nm/dbus/quirk":     {"nm"},
	"nm/find":           {"nm", "routes/fault", "routes/gre"},
	"nm/doctor":         {"routes/fault"},
	"nm/adopt":          {"nm", "nm/advice", "nm/plan", "routes", "routes/fault", "routes/gre", "routes/kernel", "routes/keep", "routes/rule"},
	"nm/advice":         {"nm", "routes/fault", "routes/gre", "routes/keep", "routes/kernel"},
	"nm/opposite":       {"nm", "nm/port", "routes/fault", "routes/gre", "routes/kernel"},
	"nm/port":           {"nm", "routes/fault", "routes/keep", "routes/kernel"},
	"nm/clash":          {"nm", "nm/advice", "nm/ends", "routes", "routes/fault", "routes/gre", "routes/kernel"},
	"nm/plan":           {"nm", "nm/nmcli", "nm/advice", "nm/clash", "nm/ends", "nm/metric", "nm/opposite", "nm/policy", "nm/port", "nm/states", "nm/whole", "routes", "routes/fault", "routes/gre", "routes/kernel", "routes/keep", "routes/list", "routes/rule"},
	"nm/whole":          {"nm", "nm/ends", "routes", "routes/fault", "routes/keep", "routes/kernel"},
	"nm/vet":            {"nm", "nm/plan", "nm/policy", "routes", "routes/fault", "routes/gre", "routes/kernel", "routes/keep", "routes/list", "routes/rule"},
	"nm/weights":        {"nm", "routes", "routes/fault", "routes/keep"},
	"nm/verify/pathmtu": {"routes/kernel"},
	"nm/verify/apart":   {"nm", "routes/fault", "routes/keep"},
	"nm/verify/behind":  {"routes/fault", "routes/kernel"},
	"nm/verify/snat":    {"routes", "routes/fault", "routes/keep", "routes/kernel"},
	"nm/verify/words":   {"routes", "routes/fault", "routes/gre", "routes/kernel"},
	"nm/verify/cause":   {"nm", "nm/ends", "nm/opposite", "nm/verify/behind", "nm/verify/pathmtu", "nm/verify/place", "nm/verify/snat", "nm/verify/words", "routes/fault", "routes/gre", "routes/keep", "routes/kernel"},
	"nm/verify/kinds":   {},
	"nm/verify/differ":  {"nm", "routes/fault", "routes/gre", "routes/keep", "routes/kernel"},
	"nm/verify":         {"nm", "nm/ends", "nm/find", "nm/policy", "nm/port", "nm/resolve", "routes/rule", "nm/verify/apart", "nm/verify/behind", "nm/verify/cause", "nm/verify/place", "nm/verify/differ", "nm/verify/pathmtu", "nm/verify/snat", "nm/verify/underlay", "nm/verify/words", "routes", "routes/fault", "routes/gre", "routes/kernel", "routes/keep", "routes/list"},
	"nm/verify/manual":  {"nm/verify/cause", "nm/verify/place", "nm/verify/kinds"},
	"nm/verify/fleet":   {"nm", "nm/find", "nm/verify", "nm/verify/place", "routes", "routes/fault", "routes/keep", "routes/kernel"},

	"nm/verify/place":    {},
	"nm/verify/underlay": {"nm", "nm/policy", "nm/verify/cause", "routes/fault", "routes/kernel"},

	"nm/pair": {"nm", "nm/notation/importer", "routes", "routes/fault", "routes/gre", "routes/kernel"},

	"routes/keep/format": {"routes", "routes/fault", "routes/gre", "routes/ident", "routes/keep", "routes/list", "routes/rule"},

	// the notations
	"nm/notation":          {"nm", "routes", "routes/fault", "routes/gre", "routes/keep", "routes/rule"},
	"nm/notation/shell":    {"nm/notation"},
	"nm/notation/iproute":  {"nm", "nm/notation", "nm/notation/shell", "routes", "routes/gre", "routes/keep", "routes/rule"},
	"nm/notation/linux":    {"nm", "nm/nmcli", "nm/notation", "nm/notation/iproute", "nm/notation/shell", "routes", "routes/fault", "routes/gre", "routes/keep", "routes/rule"},
	"nm/notation/netplan":  {"go.yaml.in/yaml/v3", "nm", "nm/notation", "nm/notation/iproute", "routes", "routes/gre"}, // the one library: for YAML
	"nm/notation/router":   {"nm", "nm/notation", "nm/notation/iproute", "nm/notation/shell", "routes", "routes/gre"},
	"nm/notation/own":      {"nm", "nm/notation", "nm/notation/iproute", "nm/notation/shell", "routes", "routes/fault", "routes/gre", "routes/keep", "routes/rule"},
	"nm/notation/every":    {"nm/notation", "nm/notation/linux", "nm/notation/netplan", "nm/notation/own", "nm/notation/router", "routes/fault"},
	"nm/notation/importer": {"nm", "nm/notation", "nm/notation/every", "routes", "routes/fault", "routes/gre"},

	"nm/notice":    {"nm", "routes/kernel"},
	"nm/mesh":      {"routes/fault"},
	"nm/reconcile": {"nm", "nm/crowd", "nm/ends", "nm/find", "nm/plan", "nm/policy", "nm/resolve", "nm/verify/differ", "routes", "routes/fault", "routes/gre", "routes/keep", "routes/kernel", "routes/rule"},
	"nm/states":    {"nm", "nm/policy", "routes", "routes/keep", "routes/kernel"},
	"nm/document":  {"go.yaml.in/yaml/v3", "nm", "nm/mesh", "nm/resolve", "routes", "routes/fault", "routes/gre", "routes/keep", "routes/rule"}, // and here, too

	".": {"nm", "nm/nmcli", "nm/adopt", "nm/crowd", "nm/cut", "nm/ends", "nm/find", "nm/notice", "nm/plan", "nm/reconcile", "nm/resolve", "nm/states", "nm/undo", "nm/verify", "nm/verify/fleet", "nm/weights", "nm/whole", "routes/rule", "routes", "routes/fault", "routes/gre", "routes/kernel", "routes/keep",
		"routes/list"},
	"cmd/ansible":        {},
	"cmd/nmgre/calls":    {"nmgre", "nm", "nm/nmcli", "routes", "routes/fault", "routes/keep", "routes/kernel", "routes/rule"},
	"cmd/nmgre/progress": {},
	"cmd/nmgre/values":   {"routes/fault"},
	"cmd/nmgre/output":   {"nmgre", "nm", "nm/nmcli", "nm/adopt", "nm/find", "nm/notation", "nm/notation/importer", "nm/plan", "nm/policy", "nm/verify", "nm/verify/fleet", "routes/fault", "routes/gre", "routes/kernel"},
}

// sources are the Go files of a room, without tests.
func sources(t *testing.T, room string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(room, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", room, len(files), err)
	}
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// imports returns the import paths of a file.
func imports(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, imported)
	}
	return paths
}

// A pure room stays pure: nothing that touches a host can get into it.
func TestPureRooms(t *testing.T) {
	for room, allowed := range pureRooms {
		for _, file := range sources(t, room) {
			for _, imported := range imports(t, file) {
				first, _, _ := strings.Cut(imported, "/")
				standard := first != "nmgre" && !strings.Contains(first, ".")
				if !standard && !slices.Contains(allowed, strings.TrimPrefix(imported, "nmgre/")) {
					t.Errorf("%s imports %s", file, imported)
				}
			}
		}
	}
}

// The comment of a package lists nothing that it imports: such lists went stale. The walls are in
// the linter's configuration, and those of the pure rooms above.
func TestPackageCommentsListNoImports(t *testing.T) {
	list := regexp.MustCompile(`(?i)\b(may import|it imports)\b`)
	walkGo(t, func(file string) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Join(strings.Fields(f.Doc.Text()), " ")
		if found := list.FindString(strings.ReplaceAll(said, "Every other package may import it.", "")); found != "" {
			t.Errorf("%s: %q: name the walls in .golangci.yml and in pureRooms, not in the comment of the package", file, found)
		}
	})
}

// lines returns the lines of a file.
func lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// The root holds the verbs alone. No file and no room grows until nobody reads it.
func TestRoomsAreSmall(t *testing.T) {
	if files := sources(t, "."); len(files) > 12 {
		t.Errorf("the root has %d files: %q", len(files), files)
	}
	for _, file := range sources(t, ".") {
		if n := len(lines(t, file)); n > 350 {
			t.Errorf("%s has %d lines", file, n)
		}
	}
	for room, n := range roomSizes(t) {
		most := 2800
		if strings.HasPrefix(room, "tui") {
			most = 4000
		}
		if n > most {
			t.Errorf("%s has %d lines, more than %d", room, n, most)
		}
	}
}

// roomSizes returns the lines of each package, without tests.
func roomSizes(t *testing.T) map[string]int {
	t.Helper()
	sizes := make(map[string]int)
	walkGo(t, func(file string) {
		if !strings.HasSuffix(file, "_test.go") {
			sizes[path.Dir(file)] += len(lines(t, file))
		}
	})
	return sizes
}

// walkGo visits every Go file of the module.
func walkGo(t *testing.T, visit func(file string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || name == "build") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".go") {
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Comments fit on half a screen: 100 columns, a tab being four.
func TestCommentsAreNarrow(t *testing.T) {
	walkGo(t, func(file string) {
		for i, line := range lines(t, file) {
			text := strings.TrimLeft(line, "\t")
			width := len([]rune(text)) + 4*(len(line)-len(text))
			if strings.HasPrefix(text, "// ") && !strings.HasPrefix(text, "// Output") && width > 100 && !strings.HasPrefix(text, "// # ") {
				t.Errorf("%s:%d: the comment is %d columns wide", file, i+1, width)
			}
		}
	})
}
