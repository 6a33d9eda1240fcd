package document

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"nmgre/routes/fault"
)

// Bounds of a document. The largest full mesh that they allow has more links than one host has
// tunnels.
const (
	MaxInput   = 4 << 20 // bytes
	maxValues  = 400_000 // of the whole document
	maxDepth   = 16      // of values in values
	maxErrors  = 20      // in a list
	maxTunnels = 10_000  // of one host
	maxHosts   = 2_000
	maxLinks   = 200_000 // pairs of hosts
)

const hintYAML = "the document is YAML: nmgre apply --help shows one"

// tree reads YAML into nodes.
func tree(text string) (*yaml.Node, error) {
	switch {
	case len(text) > MaxInput:
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("the document is larger than %d bytes", MaxInput), Hint: "a full mesh is one line: links: [{full: all}]"}
	case marks(text) > maxValues:
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("the document has more than %d values", maxValues), Hint: "a full mesh is one line: links: [{full: all}]"}
	}
	if line := deepLine(text); line > 0 {
		return nil, &fault.Error{Kind: fault.ErrInvalid, Line: line, What: fmt.Sprintf("more than %d values are in one another", maxDepth), Hint: hintYAML}
	}
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	var root, more yaml.Node
	switch err := decode(decoder, &root); {
	case errors.Is(err, io.EOF):
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: "the document is empty", Hint: "to want no tunnel, write: tunnels: []"}
	case err != nil:
		return nil, notYAML(err)
	}
	if err := decode(decoder, &more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, notYAML(err)
		}
		return nil, &fault.Error{Kind: fault.ErrInvalid, Line: more.Line, What: "a second document begins here", Hint: "give one document, without ---"}
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: "the document is empty", Hint: "to want no tunnel, write: tunnels: []"}
	}
	return root.Content[0], nil
}

// marks is at least the number of values of a text: of the characters between which they stand.
func marks(text string) int {
	n := 0
	for _, mark := range []string{",", ":", "[", "{", "- ", "-\n", "?", "\n"} {
		n += strings.Count(text, mark)
	}
	return n
}

// deepLine returns the first line where more brackets are open, or more dashes begin the line, than
// any document needs: the library calls itself for each. It is 0 for a text without such a line.
func deepLine(text string) int {
	open, line := 0, 0
	for part := range strings.Lines(text) {
		line++
		for _, c := range part {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			}
		}
		indent := len(part) - len(strings.TrimLeft(part, " "))
		if open > 10*maxDepth || strings.Count(part, "- ") > 1000 || strings.Count(part, "? ") > 1000 || indent > 1000 {
			return line
		}
	}
	return 0
}

// decode reads the next document. The library panics about some wrong texts.
func decode(d *yaml.Decoder, into *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return d.Decode(into)
}

var yamlLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:yaml: )?line ([0-9]+): `) })

// notYAML returns the library's error with its line.
func notYAML(err error) error {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &fault.Error{Kind: fault.ErrInvalid, Hint: hintYAML}
	if m := yamlLine().FindStringSubmatch(what); m != nil {
		e.Line, _ = strconv.Atoi(m[1]) // digits alone
		what = what[len(m[0]):]
	}
	if strings.Contains(what, "cannot start any token") { // the library's words for it
		e.Hint = "indent with spaces, not tabs, and quote a value that begins with @, % or `"
	}
	e.What = "it is no YAML: " + fault.Printable(what)
	return e
}

// parser reads the nodes of a document.
type parser struct {
	opts Options
	errs []error
	seen map[string]bool // the errors
}

// refuse notes an error about a line.
func (p *parser) refuse(line int, field, hint, format string, args ...any) {
	p.add(line, field, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf(format, args...), Hint: hint})
}

// add notes an error once, with its line, in the words of a document: its fields are no flags. An
// empty field is the error's own.
func (p *parser) add(line int, field string, err error) {
	for _, one := range fault.Split(err) {
		e := &fault.Error{Kind: fault.ErrInvalid, What: one.Error()}
		var known *fault.Error
		if errors.As(one, &known) {
			own := *known
			e = &own
		}
		e.Field, e.Line, e.Item = fieldOf(cmp.Or(field, e.Field)), line, 0
		e.What, e.Hint = withoutDashes(e.What), withoutDashes(e.Hint)
		if key := e.Error(); !p.seen[key] && len(p.errs) < maxErrors {
			p.seen[key] = true
			p.errs = append(p.errs, e)
		}
	}
}

var dashes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(^|[ (])--([a-z])`) })

// withoutDashes makes the flags in a text fields.
func withoutDashes(text string) string { return dashes().ReplaceAllString(text, "$1$2") }

// err returns all errors, joined.
func (p *parser) err() error { return errors.Join(p.errs...) }

// pair is an entry of a mapping.
type pair struct {
	key  string
	line int
	node *yaml.Node
}

// plain refuses nodes that no document may have: anchors, aliases, tags and too much depth.
func (p *parser) plain(n *yaml.Node, depth int) bool {
	switch {
	case depth > maxDepth:
		p.refuse(n.Line, "", hintYAML, "more than %d values are in one another", maxDepth)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		p.refuse(n.Line, "", "use defaults for what many tunnels share", "anchors and aliases are not read")
	case n.Style&yaml.TaggedStyle != 0:
		p.refuse(n.Line, "", "leave it out", "the tag %s is not read", fault.Printable(n.Tag))
	default:
		for _, inner := range n.Content {
			if !p.plain(inner, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// pairs returns the entries of a mapping. Each key must be one of known, unless that is nil. what
// names the mapping.
func (p *parser) pairs(n *yaml.Node, what string, known []string) []pair {
	if n.Kind != yaml.MappingNode {
		p.refuse(n.Line, "", "write it as fields with values, such as peer: 203.0.113.2", "%s should be a mapping, and it is %s", what, kindOf(n))
		return nil
	}
	var list []pair
	first := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		one := pair{key.Value, key.Line, n.Content[i+1]}
		switch {
		case key.Kind != yaml.ScalarNode || key.Value == "":
			p.refuse(key.Line, "", "write it as FIELD: VALUE", "%s has a field without a name", what)
		case first[one.key] > 0:
			p.refuse(key.Line, fault.Printable(one.key), "leave one of them out", "it stands in line %d already", first[one.key])
		case known != nil && !slices.Contains(known, one.key):
			p.refuse(key.Line, "", Nearest(one.key, "fields", known), "%s has no field %s", what, quoted(one.key))
		default:
			list = append(list, one)
		}
		first[one.key] = key.Line
	}
	return list
}

// items returns the entries of a list. A single value is a list of one, unless strict is set.
func (p *parser) items(n *yaml.Node, field string, strict bool) []*yaml.Node {
	switch {
	case n.Kind == yaml.SequenceNode:
		return n.Content
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null" && !strict:
		return []*yaml.Node{n}
	}
	p.refuse(n.Line, field, "write it as a list: each entry on a line of its own, with - before it", "it should be a list, and it is %s", kindOf(n))
	return nil
}

// value returns the text of a scalar.
func (p *parser) value(n *yaml.Node, field string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		p.refuse(n.Line, field, "write it as "+field+": VALUE", "it should be a single value, and it is %s", kindOf(n))
	case n.Tag == "!!null" || n.Value == "":
		p.refuse(n.Line, field, "leave the field out for its default", "the value is empty")
	default:
		return n.Value, true
	}
	return "", false
}

// kindOf names the kind of a node.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	}
	return "the value " + quoted(n.Value)
}

func quoted(text string) string { return fmt.Sprintf("\"%.80s\"", fault.Printable(text)) }
