package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// entry is a release in CHANGELOG.md.
type entry struct {
	version string
	date    time.Time
	notes   []note
}

// note is one change, below a heading such as Added.
type note struct{ heading, text string }

// writeChangelogs writes CHANGELOG.md packed, in Debian's form, and in the one that nfpm reads.
func (r *shipment) writeChangelogs() error {
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	entries, err := readChangelog(string(text), r.version, r.time)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{
		"changelog.gz":        zipped(text),
		"changelog.Debian.gz": zipped([]byte(debianChangelog(entries, r.maintainer))),
		"changelog.yaml":      []byte(rpmChangelog(entries, r.maintainer)),
	} {
		if err := r.write(name, text); err != nil {
			return err
		}
	}
	return nil
}

// heading matches one of a release, such as "## [1.2.0] - 2026-12-01", or of the changes that are
// not released yet.
var heading = regexp.MustCompile(`^## \[([^\]]+)\](?: - ([0-9]{4}-[0-9]{2}-[0-9]{2}))?$`)

// readChangelog reads the entries of CHANGELOG.md. The changes that are not released yet are those
// of version, at the time now.
func readChangelog(text, version string, now time.Time) ([]entry, error) {
	var entries []entry
	var below string
	for number, line := range strings.Split(text, "\n") {
		found := heading.FindStringSubmatch(line)
		if len(entries) == 0 && found == nil || strings.TrimSpace(line) == "" {
			continue
		}
		last := len(entries) - 1
		switch {
		case found != nil:
			e := entry{version, now, nil}
			if found[1] != "Unreleased" {
				date, err := time.Parse(time.DateOnly, found[2])
				if err != nil {
					return nil, fmt.Errorf("CHANGELOG.md, line %d: the release has no date: %q", number+1, line)
				}
				e = entry{found[1], date, nil}
			}
			entries, below = append(entries, e), ""
		case strings.HasPrefix(line, "### "):
			below = strings.TrimPrefix(line, "### ")
		case strings.HasPrefix(line, "- "):
			entries[last].notes = append(entries[last].notes, note{below, strings.TrimPrefix(line, "- ")})
		case len(entries[last].notes) == 0:
			return nil, fmt.Errorf("CHANGELOG.md, line %d: the line belongs to no change: %q", number+1, line)
		default: // the change goes on
			entries[last].notes[len(entries[last].notes)-1].text += " " + strings.TrimSpace(line)
		}
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("CHANGELOG.md has no release: a heading such as ## [Unreleased]")
	}
	return entries, nil
}

// debianChangelog returns the entries as deb-changelog(5) wants them.
func debianChangelog(entries []entry, maintainer string) string {
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "nmgre (%s-1) unstable; urgency=medium\n\n", strings.Replace(e.version, "-", "~", 1))
		below := ""
		for _, n := range e.notes {
			if n.heading != below {
				below = n.heading
				fmt.Fprintf(&b, "  [ %s ]\n", below)
			}
			b.WriteString(wrapped("  * ", n.text))
		}
		fmt.Fprintf(&b, "\n -- %s  %s\n", maintainer, e.date.Format(time.RFC1123Z))
	}
	return b.String()
}

// wrapped breaks text into lines of at most 80 characters. The first begins with first.
func wrapped(first, text string) string {
	const most = 80
	var b strings.Builder
	line := first
	for _, word := range strings.Fields(text) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > most && !strings.HasSuffix(line, " ") {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", utf8.RuneCountInString(first))
		}
		if !strings.HasSuffix(line, " ") {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}

// rpmChangelog returns the entries as nfpm reads them, for the header of an rpm
// (https://github.com/goreleaser/chglog). A quoted string of JSON is one of YAML, too.
func rpmChangelog(entries []entry, maintainer string) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "- semver: %s\n  date: %s\n  packager: %s\n  changes:\n", strconv.Quote(e.version+"-1"), e.date.UTC().Format(time.RFC3339), strconv.Quote(maintainer))
		for _, n := range e.notes {
			fmt.Fprintf(&b, "    - note: %s\n", strconv.Quote(n.heading+": "+n.text))
		}
	}
	return b.String()
}
