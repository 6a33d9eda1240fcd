package asroot

import (
	"strings"
	"testing"
)

// FuzzPolicy reads policies of polkit's from any text.
func FuzzPolicy(f *testing.F) {
	f.Add(`<policyconfig><action id="` + Action + `"><annotate key="` + annotations + `path">/usr/bin/nmgre</annotate>` +
		`<annotate key="` + annotations + `argv1">` + Command + `</annotate></action></policyconfig>`)
	f.Add("<policyconfig><action/>")
	f.Add("<?xml version='1.0' encoding='x'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
	f.Fuzz(func(t *testing.T, text string) {
		program, err := programIn(strings.NewReader(text))
		if err != nil && program != "" {
			t.Errorf("%q, %v", program, err)
		}
	})
}
