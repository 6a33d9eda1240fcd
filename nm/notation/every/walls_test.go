package every_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// shared are the files of the rooms of notations that belong to no notation.
var shared = map[string]bool{"doc.go": true, "ini.go": true, "profile.go": true, "values.go": true}

// No notation knows another: a file of one uses nothing that a file of another declares, besides
// the declarations of the room's shared files.
func TestNotationsAreApart(t *testing.T) {
	for _, room := range []string{"../linux", "../router"} {
		files, err := filepath.Glob(room + "/*.go")
		if err != nil || len(files) < 5 {
			t.Fatal(files, err)
		}
		owner, parsed := map[string]string{}, map[string]*ast.File{}
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed[file] = f
			for _, d := range f.Decls {
				for _, name := range declared(d) {
					owner[name] = notationOf(file)
				}
			}
		}
		for file, f := range parsed {
			own := notationOf(file)
			if shared[filepath.Base(file)] {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if _, ok := n.(*ast.SelectorExpr); ok { // a field, or another package's
					return false
				}
				if id, ok := n.(*ast.Ident); ok {
					if of, there := owner[id.Name]; there && of != own && of != "" {
						t.Errorf("%s uses %s of %s", file, id.Name, of)
					}
				}
				return true
			})
		}
	}
}

// notationOf is the notation that a file belongs to: its name without "_read". It is empty for a
// shared file.
func notationOf(file string) string {
	if shared[filepath.Base(file)] {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".go"), "_read")
}

// declared are the names of functions, types, variables and constants that a declaration makes.
func declared(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, id := range s.Names {
					names = append(names, id.Name)
				}
			}
		}
	}
	return names
}
