package store

import (
	"maps"
	"strings"
	"testing"
)

// The file with the devices that forwarded before is refused, or written as lines that are read as
// the same.
func FuzzReadBefore(f *testing.F) {
	for _, text := range []string{"", "eth0 1\ngre1 0\n", "eth0 2", "eth0", "\x1b 1\n", "a 1 b\n", "eth0 01\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		before, err := readBefore(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := readBefore(strings.NewReader(strings.Join(beforeLines(before), "")))
		if err != nil || !maps.Equal(again, before) {
			t.Errorf("%q is %v, and that is %v, %v", text, before, again, err)
		}
	})
}

// The file with the options that were set on links is refused, or written as lines that are read as
// the same.
func FuzzReadLinks(f *testing.F) {
	for _, text := range []string{"", "gre1 12 checksum\ngre2 7 multicast ignore-df\n", "gre1 checksum", "gre1 0 checksum", "gre1 7 csum", "\x1b 1 checksum\n", "gre1 7\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := readLinks(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := readLinks(strings.NewReader(strings.Join(linkLines(set), "")))
		if err != nil || !maps.Equal(again, set) {
			t.Errorf("%q is %v, and that is %v, %v", text, set, again, err)
		}
	})
}

// A hook's script may be of any version, or changed by hand. Its program and folders, once they are
// read, make a script that is read as the same.
func FuzzParseScript(f *testing.F) {
	s := New("/", 0)
	f.Add(s.text(script{exe: "/usr/bin/nmgre", made: []string{"etc"}}))
	f.Add(s.text(script{exe: "/opt/it's/nmgre"}))
	f.Add("exec 'x" + execArguments + madeMark + "etc ../..\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = isOurs(text)
		h := parseScript(text)
		if strings.ContainsAny(h.exe, "\n") {
			t.Fatalf("the program is %q", h.exe)
		}
		again := parseScript(s.text(h))
		if again.exe != h.exe || strings.Join(again.made, " ") != strings.Join(h.made, " ") {
			t.Errorf("%q is read as %+v, and that as %+v", text, h, again)
		}
	})
}
