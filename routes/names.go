package routes

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// Names are a host's names for numbers that a SPEC may have. The names that every Linux host has
// are known in any case: the tables main, local and default; iproute2's scopes; the realm cosmos;
// and the names of RFC 2474, 2597 and 3246 for the TOS. The zero value has these only; [ReadNames]
// reads those of a host.
type Names struct {
	Tables  map[string]uint32 // 1 to 4294967295
	DSField map[string]uint32 // the whole TOS byte, 0 to 255
	Realms  map[string]uint32 // 0 to 255
	Scopes  map[string]uint32 // 0 to 255
}

// The names that every host has: iproute2's own, and those in the rt_dsfield and rt_realms that
// come with it.
var (
	tableNames = map[string]uint32{"main": MainTable, "local": LocalTable, "default": 253}
	scopeNames = map[string]uint32{"global": uint32(ScopeGlobal), "site": uint32(ScopeSite), "link": uint32(ScopeLink),
		"host": uint32(ScopeHost), "nowhere": uint32(ScopeNowhere)}
	realmNames = map[string]uint32{"cosmos": 0, "unknown": 0}
	tosNames   = map[string]uint32{"default": 0,
		"CS1": 0x20, "CS2": 0x40, "CS3": 0x60, "CS4": 0x80, "CS5": 0xa0, "CS6": 0xc0, "CS7": 0xe0,
		"AF11": 0x28, "AF12": 0x30, "AF13": 0x38, "AF21": 0x48, "AF22": 0x50, "AF23": 0x58,
		"AF31": 0x68, "AF32": 0x70, "AF33": 0x78, "AF41": 0x88, "AF42": 0x90, "AF43": 0x98, "EF": 0xb8}
)

// nameKind is a kind of names.
type nameKind struct {
	file     string // in the directories of iproute2
	fixed    bool   // a file cannot change the built-in names
	builtin  map[string]uint32
	low, top uint32
	of       func(*Names) *map[string]uint32
}

var (
	tableKind = nameKind{"rt_tables", true, tableNames, 1, 1<<32 - 1, func(n *Names) *map[string]uint32 { return &n.Tables }}
	tosKind   = nameKind{"rt_dsfield", false, tosNames, 0, 255, func(n *Names) *map[string]uint32 { return &n.DSField }}
	realmKind = nameKind{"rt_realms", false, realmNames, 0, 255, func(n *Names) *map[string]uint32 { return &n.Realms }}
	scopeKind = nameKind{"rt_scopes", true, scopeNames, 0, 255, func(n *Names) *map[string]uint32 { return &n.Scopes }}
)

// look returns the number that a name stands for.
func (n *Names) look(kind *nameKind, name string) (uint32, bool) {
	first, second := *kind.of(n), kind.builtin
	if kind.fixed {
		first, second = second, first
	}
	number, ok := first[name]
	if !ok {
		number, ok = second[name]
	}
	return number, ok && number >= kind.low && number <= kind.top
}

// Bounds of iproute2's files of names, far above any that are in use.
const (
	maxNamesFile  = 1 << 20 // bytes
	maxNamesLine  = 512     // bytes, as iproute2 has it
	maxNamesFiles = 1000    // in a directory
	maxNames      = 100_000 // of a kind
)

// nameDirs are the directories of iproute2's files. The administrator's comes last, so that its
// names win.
var nameDirs = [...]string{"usr/share/iproute2", "usr/lib/iproute2", "etc/iproute2"}

// ReadNames reads the names that a host has for tables, TOS values, realms and scopes, as iproute2
// does: from rt_tables, the files *.conf in rt_tables.d, rt_dsfield, rt_realms and rt_scopes in the
// directories of iproute2 below the root of fsys. Files may be absent. Lines that cannot be read,
// and names that could be taken for numbers, do not count. With an error come the names that could
// be read.
func ReadNames(fsys fs.FS) (Names, error) {
	var n Names
	var errs []error
	for _, kind := range []*nameKind{&tableKind, &tosKind, &realmKind, &scopeKind} {
		for _, dir := range nameDirs {
			errs = append(errs, n.readFile(fsys, path.Join(dir, kind.file), kind))
			if kind == &tableKind {
				errs = append(errs, n.readDir(fsys, path.Join(dir, kind.file+".d"), kind))
			}
		}
	}
	return n, errors.Join(errs...)
}

func (n *Names) readDir(fsys fs.FS, dir string, kind *nameKind) error {
	entries, err := fs.ReadDir(fsys, dir) // in the order of their names, as iproute2 takes them
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return namesError(dir, err)
	}
	if len(entries) > maxNamesFiles {
		return namesError(dir, fmt.Errorf("it has more than %d files", maxNamesFiles))
	}
	var errs []error
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".conf") && name[0] != '.' {
			errs = append(errs, n.readFile(fsys, path.Join(dir, name), kind))
		}
	}
	return errors.Join(errs...)
}

func (n *Names) readFile(fsys fs.FS, name string, kind *nameKind) error {
	info, err := fs.Stat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.Mode().IsRegular() { // a pipe would never end
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return namesError(name, err)
	}
	file, err := fsys.Open(name)
	if err != nil {
		return namesError(name, err)
	}
	defer func() { _ = file.Close() }() // it is only read
	if err := n.read(file, kind); err != nil {
		return namesError(name, err)
	}
	return nil
}

// namesError returns the error about a file of names. The path that fs's errors have is left out.
func namesError(name string, err error) error {
	if perr := new(fs.PathError); errors.As(err, &perr) {
		err = perr.Err
	}
	return &fault.Error{What: "the names in /" + fault.Printable(name) + " were not read", Hint: "write numbers instead of names", Err: err}
}

// read reads lines of a number and a name.
func (n *Names) read(file io.Reader, kind *nameKind) error {
	names := kind.of(n)
	if *names == nil {
		*names = make(map[string]uint32)
	}
	limited := &io.LimitedReader{R: file, N: maxNamesFile + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, maxNamesLine), maxNamesFile+2)
	for lines.Scan() && len(*names) < maxNames {
		if number, name, ok := kind.line(lines.Text()); ok {
			(*names)[name] = number
		}
	}
	if err := lines.Err(); err != nil {
		return errors.New(fault.Printable(err.Error()))
	}
	if limited.N == 0 || len(*names) == maxNames {
		return errors.New("it is too long")
	}
	return nil
}

// line reads a line such as "100 vpn" or "0x64 vpn # a comment".
func (kind *nameKind) line(text string) (number uint32, name string, ok bool) {
	fields := strings.Fields(text)
	if len(text) >= maxNamesLine || len(fields) < 2 || len(fields) > 2 && fields[2][0] != '#' {
		return 0, "", false
	}
	n, err := readNameNumber(fields[0])
	name = fields[1]
	_, numeric := parseNumber(name, 64)
	fixed := false
	if kind.fixed {
		_, fixed = kind.builtin[name]
	}
	ok = err == nil && n >= uint64(kind.low) && n <= uint64(kind.top) && name[0] != '#' && !numeric && !fixed && fault.Printable(name) == name
	return uint32(n), name, ok //nolint:gosec // the top is 32 bits
}

// readNameNumber reads the number before a name: hexadecimal with 0x, otherwise decimal, never
// octal.
func readNameNumber(text string) (uint64, error) {
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		return strconv.ParseUint(hex, 16, 32)
	}
	return strconv.ParseUint(text, 10, 32)
}
