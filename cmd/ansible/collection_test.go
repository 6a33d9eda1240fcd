package ansible

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"nmgre/cmd/nmgre/release"
	"nmgre/nm/document"
)

// property is a field in the document's JSON Schema.
type property struct {
	Type  any
	Enum  []string
	OneOf []struct{ Type any }
}

// option is an option in a module's documentation or argument spec.
type option struct {
	Type, Elements string
	Choices        []string
	Required       bool
}

// typeOf is the type of an option for a field: a list, true or false, or a text.
func (p property) typeOf() string {
	switch {
	case p.Type == "boolean":
		return "bool"
	case len(p.OneOf) == 2 && p.OneOf[1].Type == "array":
		return "list"
	}
	return "str"
}

// fieldsOfTunnel are a tunnel's fields in the JSON Schema.
func fieldsOfTunnel(t *testing.T) map[string]property {
	t.Helper()
	var schema struct {
		Definitions map[string]struct{ Properties map[string]property }
	}
	if err := json.Unmarshal([]byte(document.Schema), &schema); err != nil {
		t.Fatal(err)
	}
	return schema.Definitions["tunnel"].Properties
}

// text reads a file of the collection.
func text(t *testing.T, name string) string {
	t.Helper()
	b, err := Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// options are the options in a module's documentation, without those of the call itself.
func options(t *testing.T, source string) map[string]option {
	t.Helper()
	_, rest, _ := strings.Cut(source, "DOCUMENTATION = r'''\n")
	doc, _, found := strings.Cut(rest, "\n'''")
	var read struct{ Options map[string]option }
	if err := yaml.Unmarshal([]byte(doc), &read); err != nil || !found {
		t.Fatalf("the documentation: %v", err)
	}
	return read.Options
}

var argument = regexp.MustCompile(`(?m)^ +(\w+)=dict\(type='(\w+)'(?:, elements='(\w+)')?(?:, choices=\[([^]]*)\])?`)

// arguments are the options in a module's argument spec.
func arguments(source string) map[string]option {
	found := make(map[string]option)
	for _, m := range argument.FindAllStringSubmatch(source, -1) {
		one := option{Type: m[2], Elements: m[3]}
		if m[4] != "" {
			one.Choices = strings.Split(strings.ReplaceAll(m[4], "'", ""), ", ")
		}
		found[m[1]] = one
	}
	return found
}

// The module tunnel has the fields of a document, no more and no fewer, with their types and
// choices, in its documentation and in its argument spec.
func TestTunnelHasTheFieldsOfADocument(t *testing.T) {
	source := text(t, "plugins/modules/tunnel.py")
	fields, documented, taken := fieldsOfTunnel(t), options(t, source), arguments(source)
	if len(fields) < 30 || len(documented) != len(fields) || len(taken) != len(fields) {
		t.Errorf("%d fields, %d documented options, %d options", len(fields), len(documented), len(taken))
	}
	for name, p := range fields {
		name = strings.ReplaceAll(name, "-", "_")
		for where, list := range map[string]map[string]option{"documentation": documented, "argument spec": taken} {
			got, found := list[name]
			if !found || got.Type != p.typeOf() || !slices.Equal(got.Choices, p.Enum) || (got.Type == "list") != (got.Elements == "str") {
				t.Errorf("%s in the %s: %+v, want %+v", name, where, got, p)
			}
		}
	}
}

// The variables of the role have the defaults that its specification tells.
func TestRoleTellsItsDefaults(t *testing.T) {
	var defaults map[string]any
	var specs struct {
		Specs map[string]struct {
			Options map[string]struct{ Default any }
		} `yaml:"argument_specs"`
	}
	for name, into := range map[string]any{"roles/mesh/defaults/main.yml": &defaults, "roles/mesh/meta/argument_specs.yml": &specs} {
		if err := yaml.Unmarshal([]byte(text(t, name)), into); err != nil {
			t.Fatal(err)
		}
	}
	told := specs.Specs["main"].Options
	if len(defaults) < 10 || len(told) != len(defaults) {
		t.Errorf("%d defaults, and %d are told", len(defaults), len(told))
	}
	for name, value := range defaults {
		got, err := json.Marshal(told[name].Default)
		want, err2 := json.Marshal(value)
		if err != nil || err2 != nil || string(got) != string(want) {
			t.Errorf("%s: told %s, is %s", name, got, want)
		}
	}
}

// The collection's version is nmgre's.
func TestVersion(t *testing.T) {
	var galaxy struct{ Namespace, Name, Version string }
	if err := yaml.Unmarshal([]byte(text(t, "galaxy.yml")), &galaxy); err != nil {
		t.Fatal(err)
	}
	if galaxy.Version != release.Version || galaxy.Namespace+"."+galaxy.Name != "nmgre.gre" {
		t.Errorf("%+v, and nmgre is %s", galaxy, release.Version)
	}
}

// README shows the inventory that the lab runs, and the manual the playbook, too. Both are short.
func TestREADMEShowsWhatRuns(t *testing.T) {
	for _, c := range []struct{ file, name string }{
		{"../../README.md", "testdata/star.ini"}, {"../nmgre/manual/ansible.md", "testdata/star.ini"}, {"../nmgre/manual/ansible.md", "testdata/mesh.yml"},
	} {
		page, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := os.ReadFile(c.name)
		if err != nil {
			t.Fatal(err)
		}
		var indented strings.Builder
		for line := range strings.Lines(string(shown)) {
			indented.WriteString("    " + line)
		}
		if !strings.Contains(string(page), indented.String()) {
			t.Errorf("%s lacks the text of %s", c.file, c.name)
		}
		if n := strings.Count(string(shown), "\n"); n > 10 {
			t.Errorf("%s has %d lines", c.name, n)
		}
	}
}
