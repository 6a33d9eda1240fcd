package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// SetLinks returns, by device, the options of links that nmgre has switched on. It is nil if
// nothing is remembered.
func (s *Store) SetLinks(context.Context) (map[string]keep.SetOptions, error) {
	const attempt = "read the note of the options of links"
	file, err := s.open(runDir, linksFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, denied(attempt, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	set, err := readLinks(file)
	return set, denied(attempt, err)
}

// RememberLinks replaces the options that [Store.SetLinks] returns.
func (s *Store) RememberLinks(_ context.Context, set map[string]keep.SetOptions) error {
	if len(set) == 0 {
		return denied("forget the options of links", s.remove(runDir, linksFile))
	}
	return denied("note the options of links", s.write(runDir, linksFile, func(file *os.File) error {
		_, err := file.WriteString(strings.Join(linkLines(set), ""))
		return err
	}))
}

// linkLines returns a line for each device, its name, its index and the options, in the order of
// the names.
func linkLines(set map[string]keep.SetOptions) []string {
	var lines []string
	for dev, s := range set {
		lines = append(lines, fmt.Sprintf("%s %d %s\n", dev, s.Index, s.Options))
	}
	slices.Sort(lines)
	return lines
}

// readLinks reads the lines of linkLines.
func readLinks(r io.Reader) (map[string]keep.SetOptions, error) {
	set := make(map[string]keep.SetOptions)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		bad := len(words) < 3 || !routes.IsDevice(words[0]) || n > maxDevices
		var one keep.SetOptions
		var err error
		if !bad {
			one.Index, err = strconv.Atoi(words[1])
			bad = err != nil || one.Index < 1
		}
		if !bad {
			one.Options, err = gre.ParseLinkOptions(strings.Join(words[2:], " "))
			bad = err != nil
		}
		if bad {
			return nil, &fault.Error{What: fmt.Sprintf("line %d, \"%.80s\", is not a device's name with its index and options", n, fault.Printable(lines.Text())),
				Hint: "remove the line from /" + runDir + "/" + linksFile}
		}
		set[words[0]] = one
	}
	return set, lines.Err()
}
