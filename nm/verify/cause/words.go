package cause

import (
	"bytes"
	"encoding/json"
	"maps"
)

// Certainty says how far an outcome can be trusted.
type Certainty string

// The evidence of a proved outcome allows no other one. A likely outcome is the usual explanation
// of the evidence.
const (
	Proved Certainty = "proved"
	Likely Certainty = "likely"
)

// Facts are fields of evidence: strings and numbers. The fields "mend_here" and "mend_there" are
// commands that mend a fault, on this host or on the far end, and "make_there" is the one that
// makes the far end. Fields are added, never renamed.
type Facts map[string]any

// With returns the facts with some more. It changes neither.
func (f Facts) With(more Facts) Facts {
	all := make(Facts, len(f)+len(more))
	maps.Copy(all, f)
	maps.Copy(all, more)
	return all
}

// MarshalJSON writes an object, also when there are no facts.
func (f Facts) MarshalJSON() ([]byte, error) {
	if len(f) == 0 {
		return []byte("{}"), nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // whoever writes the whole document decides
	err := encoder.Encode(map[string]any(f))
	return b.Bytes(), err
}
