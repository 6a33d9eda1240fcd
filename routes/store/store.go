package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/keep/format"
)

// Where the files are, below the root. A reboot empties runDir, and makes its notes void.
const (
	keptDir     = "etc/nmgre"
	tunnelsDir  = keptDir + "/tunnels"
	othersFile  = "watch" // in keptDir; see HookOthers
	runDir      = "run/nmgre"
	lockFile    = "lock"
	beforeFile  = "forwarding"
	linksFile   = "links"   // in runDir; see SetLinks
	waitingFile = "waiting" // in runDir; see SetWaiting
	lockTimeout = time.Minute
)

// Store is root's files below one folder. It implements [keep.Store].
type Store struct {
	root    string
	owner   uint32        // the number of the user who must own the files
	timeout time.Duration // the longest wait for the lock
	last    *lastRead     // nil where nothing is remembered
}

var _ keep.Store = (*Store)(nil)

// New returns the files below root, which must belong to the user with the number owner. They are
// "/" and 0, but in tests.
func New(root string, owner int) *Store {
	return &Store{root: root, owner: uint32(owner), timeout: lockTimeout} //nolint:gosec // a user's number
}

// Remembering returns a store of the same files that parses a file again only when it has changed:
// a file can have a hundred thousand routes. The lists that it returns are shared, and must not be
// changed in place. It still checks every time whether a file can be trusted.
func (s *Store) Remembering() *Store {
	if s.last != nil {
		return s
	}
	other := *s
	other.last = &lastRead{kept: make(map[string]keep.Kept)}
	return &other
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.root}, parts...)...)
}

// UUIDs returns the UUIDs of the tunnels that have a file, in ascending order.
func (s *Store) UUIDs(context.Context) ([]string, error) {
	entries, err := os.ReadDir(s.path(tunnelsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, denied("list what nmgre keeps", err)
	}
	var uuids []string
	for _, entry := range entries {
		if keep.IsUUID(entry.Name()) {
			uuids = append(uuids, entry.Name())
		}
	}
	tried, err := s.trials()
	for _, t := range tried {
		if !t.Dead && !slices.Contains(uuids, t.UUID) {
			uuids = append(uuids, t.UUID)
		}
	}
	slices.Sort(uuids)
	s.last.only(uuids)
	return uuids, err
}

// All returns the kept parts of all tunnels but those excepted. Its error joins those of the files
// that cannot be trusted or read; the list holds the others, and is nil only if no file could be
// listed.
func (s *Store) All(ctx context.Context, except ...string) ([]keep.Kept, error) {
	return s.all(ctx, except, whole)
}

// Brief returns the kept parts of all tunnels as All does, but of those whose interfaces are down
// only what [format.ParseBrief] says.
func (s *Store) Brief(ctx context.Context, isDown func(dev string) bool) ([]keep.Kept, error) {
	return s.all(ctx, nil, func(file *os.File) (keep.Kept, error) { return format.ParseBrief(file, isDown) })
}

// whole reads all of a tunnel's file.
func whole(file *os.File) (keep.Kept, error) { return format.Parse(file) }

// all returns the kept parts of all tunnels but those excepted, as parse reads their files.
func (s *Store) all(ctx context.Context, except []string, parse func(*os.File) (keep.Kept, error)) ([]keep.Kept, error) {
	uuids, err := s.UUIDs(ctx)
	if err != nil {
		return nil, err
	}
	list := []keep.Kept{}
	var errs []error
	for _, uuid := range uuids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if slices.Contains(except, uuid) {
			continue
		}
		k, err := s.get(uuid, parse)
		switch {
		case err == nil:
			list = append(list, k)
		case !errors.Is(err, fault.ErrNotFound): // not found: removed meanwhile
			errs = append(errs, err)
		}
	}
	return list, errors.Join(errs...)
}

// Get returns the kept part of one tunnel. It fails with ErrNotFound if there is no file.
func (s *Store) Get(_ context.Context, uuid string) (keep.Kept, error) { return s.get(uuid, whole) }

// get returns the kept part of one tunnel, as parse reads its file.
func (s *Store) get(uuid string, parse func(*os.File) (keep.Kept, error)) (keep.Kept, error) {
	file, tried, err := s.openFor(uuid)
	if err != nil {
		return keep.Kept{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	stamp := stampOf(file)
	if k, ok := s.last.get(uuid, stamp); ok {
		return k, nil
	}
	k, err := parse(file)
	k.Stamp = stamp
	if err := checkParsed(file, uuid, tried, k, err); err != nil {
		return keep.Kept{}, err
	}
	if k.Brief() {
		return k, nil
	}
	return s.last.put(k), nil
}

// Known returns the kept part of one tunnel without its routes, and which routes of a list it has,
// as [keep.Store] says.
func (s *Store) Known(_ context.Context, uuid string, of []routes.Route) (k keep.Kept, has []bool, err error) {
	file, tried, err := s.openFor(uuid)
	if err != nil {
		return keep.Kept{}, nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	k, has, err = format.ParseKnown(file, of)
	k.Stamp = stampOf(file)
	return k, has, checkParsed(file, uuid, tried, k, err)
}

// openFor opens the file that counts for a tunnel, and says whether it is on trial.
func (s *Store) openFor(uuid string) (file *os.File, tried bool, err error) {
	if !keep.IsUUID(uuid) {
		return nil, false, notKept(fmt.Sprintf("\"%.80s\"", fault.Printable(uuid)))
	}
	dir, name, err := s.place(uuid)
	if err == nil {
		file, err = s.open(dir, name)
	}
	if dir == trialDir && errors.Is(err, fs.ErrNotExist) { // the trial has just ended
		dir = tunnelsDir
		file, err = s.open(dir, uuid)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, notKept(uuid)
	case err != nil:
		return nil, false, denied("read what nmgre keeps for a tunnel", err)
	}
	return file, dir == trialDir, nil
}

func notKept(uuid string) error {
	return &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept for " + uuid}
}

// checkParsed returns the error about a tunnel's file that was read as k, with err. Only the file
// of a trial may keep nothing: the tunnel then has no kept part.
func checkParsed(file *os.File, uuid string, tried bool, k keep.Kept, err error) error {
	switch {
	case err != nil:
	case k.UUID != uuid:
		err = fmt.Errorf("it is for the profile \"%s\", and named by another's UUID", k.UUID)
	case k.Name == "":
		err = errors.New("it names no interface")
	case tried && k.Empty() && len(k.Bad) == 0:
		return notKept(uuid)
	default:
		return nil
	}
	return broken(file.Name(), err)
}

// broken makes the error for a file that cannot be parsed. It is not an ErrInvalid, as the parser's
// own error is: the request was not invalid, the file is.
func broken(path string, err error) error {
	hint := "repair the file, or delete the tunnel and create it again"
	if hints := fault.Hints(err); len(hints) > 0 {
		hint = hints[0]
	}
	return &fault.Error{What: fault.Printable(path) + ": " + err.Error(), Hint: hint}
}

// Delete removes a tunnel's file, and with the last one also the folders.
func (s *Store) Delete(ctx context.Context, uuid string) error {
	if !keep.IsUUID(uuid) {
		return nil // it cannot have one
	}
	s.sweep(runDir) // a hook can have been killed while it wrote a note
	return errors.Join(denied("remove what nmgre keeps for a tunnel", s.remove(tunnelsDir, uuid)), s.EndTrial(ctx, uuid, false))
}

// HookOthers makes or removes the file that the hook looks for: while it is there, the hook calls
// nmgre also for events of connections that have no file in tunnelsDir. The keeper sets it anew
// with every change of these files.
func (s *Store) HookOthers(_ context.Context, on bool) error {
	_, err := os.Lstat(s.path(keptDir, othersFile))
	switch {
	case (err == nil) == on:
		return nil
	case on:
		return denied("have the hook call nmgre for other connections", s.write(keptDir, othersFile, func(file *os.File) error {
			_, err := file.WriteString("# nmgre: the dispatcher's hook is called for other connections too\n")
			return err
		}))
	}
	return denied("have the hook call nmgre no longer for other connections", s.remove(keptDir, othersFile))
}

// Remembered returns the state of forwarding, by device, from before nmgre changed it. It is nil if
// nothing is remembered.
func (s *Store) Remembered(context.Context) (map[string]bool, error) {
	const attempt = "read the note of the state of forwarding"
	file, err := s.open(runDir, beforeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, denied(attempt, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	before, err := readBefore(file)
	return before, denied(attempt, err)
}

// Remember replaces the state that [Store.Remembered] returns.
func (s *Store) Remember(_ context.Context, before map[string]bool) error {
	if len(before) == 0 {
		return denied("forget the state of forwarding", s.remove(runDir, beforeFile))
	}
	return denied("note the state of forwarding", s.write(runDir, beforeFile, func(file *os.File) error {
		_, err := file.WriteString(strings.Join(beforeLines(before), ""))
		return err
	}))
}
