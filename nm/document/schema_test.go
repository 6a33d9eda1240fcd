package document

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// validator knows the part of JSON Schema that the schema uses. It fails for a keyword that it does
// not know, so that none is used without a test.
type validator struct{ root map[string]any }

// check returns the first reason why a value does not fit a schema; empty if it fits.
func (v validator) check(schema map[string]any, value any, at string) string {
	for keyword, arg := range schema {
		if why := v.keyword(schema, keyword, arg, value, at); why != "" {
			return why
		}
	}
	return ""
}

func (v validator) keyword(schema map[string]any, keyword string, arg, value any, at string) string {
	fits := func(arg any) bool { return v.check(arg.(map[string]any), value, at) == "" }
	count := func() (n int) {
		for _, one := range arg.([]any) {
			if fits(one) {
				n++
			}
		}
		return n
	}
	failed := func(ok bool) string {
		if ok {
			return ""
		}
		return fmt.Sprintf("%s: %v is against %s: %v", at, value, keyword, arg)
	}
	object, isObject := value.(map[string]any)
	array, isArray := value.([]any)
	text, isText := value.(string)
	number, isNumber := value.(int)
	switch keyword {
	case "$schema", "title", "description", "definitions":
		return ""
	case "$ref":
		name := strings.TrimPrefix(arg.(string), "#/definitions/")
		return v.check(v.root["definitions"].(map[string]any)[name].(map[string]any), value, at)
	case "type":
		types, several := arg.([]any)
		if !several {
			types = []any{arg}
		}
		return failed(slices.ContainsFunc(types, func(one any) bool { return isType(one.(string), value) }))
	case "enum":
		return failed(slices.ContainsFunc(arg.([]any), func(one any) bool {
			return fmt.Sprintf("%T%v", one, one) == fmt.Sprintf("%T%v", value, value) || fmt.Sprint(one) == fmt.Sprint(value) && isNumber
		}))
	case "pattern":
		return failed(!isText || regexp.MustCompile(arg.(string)).MatchString(text))
	case "minLength":
		return failed(!isText || float64(utf8.RuneCountInString(text)) >= arg.(float64))
	case "minimum":
		return failed(!isNumber || float64(number) >= arg.(float64))
	case "maximum":
		return failed(!isNumber || float64(number) <= arg.(float64))
	case "minItems":
		return failed(!isArray || float64(len(array)) >= arg.(float64))
	case "maxItems":
		return failed(!isArray || float64(len(array)) <= arg.(float64))
	case "required":
		for _, name := range arg.([]any) {
			if _, ok := object[name.(string)]; isObject && !ok {
				return failed(false)
			}
		}
		return ""
	case "oneOf":
		return failed(count() == 1)
	case "anyOf":
		return failed(count() > 0)
	case "not":
		return failed(!fits(arg))
	case "items":
		for i, one := range array {
			if why := v.check(arg.(map[string]any), one, fmt.Sprintf("%s[%d]", at, i)); why != "" {
				return why
			}
		}
		return ""
	case "properties":
		for name, one := range arg.(map[string]any) {
			if inner, ok := object[name]; ok {
				if why := v.check(one.(map[string]any), inner, at+"."+name); why != "" {
					return why
				}
			}
		}
		return ""
	case "additionalProperties":
		properties, _ := schema["properties"].(map[string]any)
		for name, inner := range object {
			if _, known := properties[name]; known {
				continue
			}
			if arg == false {
				return at + " has no field " + name
			}
			if why := v.check(arg.(map[string]any), inner, at+"."+name); why != "" {
				return why
			}
		}
		return ""
	}
	return "the validator does not know " + keyword
}

func isType(name string, value any) bool {
	kind := reflect.Invalid
	if value != nil {
		kind = reflect.TypeOf(value).Kind()
	}
	switch name {
	case "object":
		return kind == reflect.Map
	case "array":
		return kind == reflect.Slice
	case "string":
		return kind == reflect.String
	case "boolean":
		return kind == reflect.Bool
	case "integer":
		return kind == reflect.Int
	case "number":
		return kind == reflect.Int || kind == reflect.Float64
	}
	return false
}

// bySchema returns why a document does not fit the schema.
func bySchema(t *testing.T, text string) string {
	t.Helper()
	var v validator
	if err := json.Unmarshal([]byte(Schema), &v.root); err != nil {
		t.Fatal(err)
	}
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return err.Error()
	}
	return v.check(v.root, value, "document")
}

// The schema takes each document that the parser takes.
func TestSchemaTakesTheRight(t *testing.T) {
	for name, text := range cases(t, "testdata/right.yaml") {
		if why := bySchema(t, text); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
}

// beyondSchema are the wrong documents that only the parser can refuse: their faults are no matter
// of form.
var beyondSchema = []string{
	"no peer", "no address", "two of one name", "a name that is too long", "a peer that is no address", "an inner address without a length", "a key and an input key",
	"an MTU that is too small", "the mode of the other family", "a wrong route", "a wrong rule", "a wrong SNAT", "an anchor and an alias", "a tag", "a second document", "a control character in a name",
	"a wrong outer address", "a network with host bits", "a host that nobody can name", "an unknown host", "a link to itself", "two links between two hosts", "ends of a star", "the end of another host", "addresses of two networks",
	"no pool", "a pool that is too small", "a pool with host bits", "a pool without hosts", "hosts of the same address", "a pool with a network of a host",
}

// The schema refuses each document whose form is wrong.
func TestSchemaRefusesTheWrong(t *testing.T) {
	for name, text := range cases(t, "testdata/wrong.yaml") {
		why := bySchema(t, text)
		if slices.Contains(beyondSchema, name) != (why == "") {
			t.Errorf("%s: %q", name, why)
		}
		if strings.Contains(why, "does not know") {
			t.Errorf("%s: %s", name, why)
		}
	}
}
