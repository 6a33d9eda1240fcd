package nmgre_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each test that does not run on other kinds of processors is there, stands in the list once, and
// has a reason.
func TestArch(t *testing.T) {
	seen := make(map[string]bool)
	for _, line := range lines(t, "testdata/arch.txt") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, " | ")
		if len(parts) != 4 || len(parts[3]) < 30 {
			t.Errorf("not kinds | package | tests | reason: %q", line)
			continue
		}
		for _, kind := range strings.Fields(parts[0]) {
			if !slices.Contains([]string{"all", "s390x", "arm", "arm64"}, kind) {
				t.Errorf("%q is no kind of processor: %q", kind, line)
			}
		}
		there := testsIn(t, parts[1])
		for _, name := range strings.Fields(parts[2]) {
			if !slices.Contains(there, name) || seen[parts[1]+" "+name] {
				t.Errorf("%s has no test %s, or it is listed twice", parts[1], name)
			}
			seen[parts[1]+" "+name] = true
		}
	}
	if len(seen) == 0 {
		t.Error("the list is empty")
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(t `)

// testsIn returns the names of a package's tests.
func testsIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	walkGo(t, func(file string) {
		if strings.HasPrefix(file, folder+"/") && !strings.Contains(file[len(folder)+1:], "/") && strings.HasSuffix(file, "_test.go") {
			for _, found := range testName.FindAllStringSubmatch(strings.Join(lines(t, file), "\n"), -1) {
				names = append(names, found[1])
			}
		}
	})
	return names
}

// thin imports this module's packages, checked for a machine of 32 bits. Those of others are empty.
type thin struct {
	t    *testing.T
	done map[string]*types.Package
}

func (h thin) Import(importPath string) (*types.Package, error) {
	if p := h.done[importPath]; p != nil {
		return p, nil
	}
	folder, own := strings.CutPrefix(importPath+"/", "nmgre/")
	if !own {
		p := types.NewPackage(importPath, path.Base(importPath))
		p.MarkComplete()
		return p, nil
	}
	p := h.check(importPath, sources(h.t, path.Join(".", folder)))
	h.done[importPath] = p
	return p, nil
}

// check looks at the files of a package. What the packages of others have is not known.
func (h thin) check(importPath string, names []string) *types.Package {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			h.t.Fatal(err)
		}
		f.Name.Name = path.Base(importPath) // a package's tests may have another name
		files = append(files, f)
	}
	config := types.Config{Sizes: types.SizesFor("gc", "arm"), Importer: h, Error: func(err error) {
		if strings.Contains(err.Error(), "overflows") || strings.Contains(err.Error(), "truncated") {
			h.t.Errorf("where an int has 32 bits: %v", err)
		}
	}}
	p, _ := config.Check(importPath, fset, files, nil)
	return p
}

// Every constant fits where an int has 32 bits, in the tests, too: nmgre is built for armv7.
func TestConstantsFit32Bits(t *testing.T) {
	h := thin{t, make(map[string]*types.Package)}
	for room := range roomSizes(t) {
		importPath := strings.TrimSuffix("nmgre/"+room, "/.")
		if _, err := h.Import(importPath); err != nil {
			t.Errorf("%s: %v", room, err)
		}
		all, err := filepath.Glob(path.Join(room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		h.check(importPath, all)
	}
}
