package document

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strconv"
)

// Schema is the JSON Schema (draft 7) of a document, from which editors complete: schema.json.
//
//go:embed schema.json
var Schema string

// jsonNumber is a number of a document in JSON, which has decimal ones only: a TOS is written 0x20.
func jsonNumber(text string) json.Number {
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		text = strconv.FormatUint(n, 10)
	}
	return json.Number(text)
}

// object is a part of the schema.
type object = map[string]any

// MakeSchema returns the schema that belongs to the fields of this package. A test compares it with
// [Schema].
func MakeSchema() string {
	shared := tunnelFields(true)
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(object{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   "nmgre document",
		"oneOf": []object{
			{"required": []string{"tunnels"}, "not": object{"required": []string{"hosts"}}},
			{"required": []string{"hosts"}, "not": object{"required": []string{"tunnels"}}},
		},
		"type": "object", "additionalProperties": false,
		"properties": object{
			"version":  object{"description": "the version of the document's form", "enum": []any{1, "1"}},
			"name":     object{"description": "tells several documents for one host apart", "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
			"defaults": closed("what all tunnels and links share", shared),
			"tunnels":  object{"description": "the tunnels of the host that applies the document", "type": "array", "items": ref("tunnel")},
			"hosts":    object{"description": "named hosts, between which there are links", "type": "object", "additionalProperties": ref("host")},
			"pool":     oneOrMore("the network of which each link gets two addresses"),
			"key-pool": object{"description": "the range of keys of which each link gets one, such as 1-65535", "type": "string", "pattern": "^[0-9]+-[0-9]+$"},
			"links":    object{"description": "the links between the hosts", "type": "array", "items": ref("link")},
		},
		"definitions": object{"tunnel": tunnelSchema(), "host": hostSchema(shared), "link": linkSchema(shared), "end": endSchema()},
	})
	if err != nil {
		return ""
	}
	return b.String()
}

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

// closed is a mapping that has these fields and no others.
func closed(about string, properties object) object {
	return object{"description": about, "type": "object", "additionalProperties": false, "properties": properties}
}

// with returns a copy of a mapping with more entries.
func with(properties, more object) object {
	out := make(object, len(properties)+len(more))
	for _, from := range []object{properties, more} {
		for name, v := range from {
			out[name] = v
		}
	}
	return out
}

// oneOrMore is a text, or a list of texts.
func oneOrMore(about string) object {
	entry := object{"type": []string{"string", "number"}, "minLength": 1}
	return object{"description": about, "oneOf": []object{entry, {"type": "array", "items": entry}}}
}

// tunnelFields are the fields of a tunnel, or those that both ends of a link may share.
func tunnelFields(shared bool) object {
	out := make(object)
	for _, f := range fields {
		if !shared || !f.own {
			out[f.name] = fieldSchema(f)
		}
	}
	return out
}

func fieldSchema(f field) object {
	switch f.form {
	case boolean:
		return object{"description": f.about, "type": "boolean"}
	case list:
		return oneOrMore(f.about)
	case number:
		// a number may be written in any way that iproute2 reads, such as 0x2a or 0.0.0.42
		anyOf := []object{{"type": "integer", "minimum": f.least, "maximum": f.most}, {"type": "string", "pattern": "^[0-9a-fA-Fx.]+$"}}
		if len(f.words) > 0 {
			anyOf = append(anyOf, object{"enum": f.words})
		}
		return object{"description": f.about, "anyOf": anyOf}
	default:
	}
	if len(f.words) > 0 {
		return object{"description": f.about, "enum": f.words}
	}
	return object{"description": f.about, "type": []string{"string", "number"}, "minLength": 1}
}

func stateSchema() object {
	return object{"description": "absent removes it (default: present)", "enum": []string{"present", "absent"}}
}

func tunnelSchema() object {
	one := closed("a tunnel", with(tunnelFields(false), object{"state": stateSchema()}))
	one["required"] = []string{"name"}
	return one
}

func hostSchema(shared object) object {
	one := closed("a host", with(shared, object{
		"outer":    object{"description": "the address by which the others reach it, or its name", "type": "string", "minLength": 1},
		"local":    object{"description": "its own outer address, any, or auto (default: outer)", "type": "string", "minLength": 1},
		"networks": oneOrMore("the networks behind it, to which the others get routes"),
		"tunnels":  object{"description": "its tunnels to hosts that have no name here", "type": "array", "items": ref("tunnel")},
	}))
	one["required"] = []string{"outer"}
	return one
}

func linkSchema(shared object) object {
	two := object{"type": "array", "items": object{"type": "string"}, "minItems": 2, "maxItems": 2}
	one := closed("a link", with(shared, object{
		"between":   with(two, object{"description": "the two hosts"}),
		"star":      object{"description": "the hub, which has a link to each other host", "type": "string", "minLength": 1},
		"full":      object{"description": "all, or the hosts of which each has a link to each other", "oneOf": []object{{"enum": []any{"all", true}}, {"type": "array", "items": object{"type": "string"}}}},
		"hosts":     oneOrMore("the hosts of a star (default: all)"),
		"addresses": with(two, object{"description": "the inner addresses of the two hosts, in the order of between"}),
		"metric":    object{"description": "the metric of the routes to the networks", "type": "integer", "minimum": 0},
		"state":     stateSchema(),
		"ends":      object{"description": "what one of the two hosts of between has for itself", "type": "object", "additionalProperties": ref("end")},
	}))
	one["oneOf"] = []object{{"required": []string{"between"}}, {"required": []string{"star"}}, {"required": []string{"full"}}}
	return one
}

func endSchema() object {
	all := tunnelFields(false)
	delete(all, "peer")
	return closed("one end of a link", all)
}
