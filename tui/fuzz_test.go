package tui

import (
	"bytes"
	"strings"
	"testing"

	"nmgre/tui/tuitest"
)

// FuzzPlain has a person type anything at the questions of --plain. Whatever that is, the dialogue
// ends with its input, and writes nothing that acts on a terminal.
func FuzzPlain(f *testing.F) {
	f.Add(strings.Join(append(answersOf("100.0.2.100", "172.16.0.1/30", "10.10.2.0/24"), "yes", "quit"), "\n"))
	f.Add("list\nshow gre1\nedit gre1\n\n\n\nno\nverify gre2\ndown gre1\nyes\ndelete gre1\nyes\nup gre1\n")
	f.Add("new\n\x1b[31m\n\xff\n$(id)\nback\nquit\n")
	f.Fuzz(func(t *testing.T, typed string) {
		if len(typed) > 2000 {
			return
		}
		var out, talk bytes.Buffer
		_ = Plain(t.Context(), fake{tuitest.New().WithTunnels()}, Options{}, Terminal{In: strings.NewReader(typed), Out: &out, Err: &talk})
		if text := out.String() + talk.String(); strings.ContainsAny(text, "\x1b\r\x07\u009b\u202e") {
			t.Errorf("it writes %q", text)
		}
	})
}
