package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

const (
	// settledFile is in runDir: the host as it was when the hook found or left everything right.
	settledFile = "settled"
	// settledMark is the first word of that file.
	settledMark = "settled 1"
	// maxSettled bounds that file, in bytes. It has room for ten thousand rules and routes.
	maxSettled = 2 << 20
	// maxStamps bounds the files that are looked at.
	maxStamps = 256
)

// errCrowded says that there are too many files to look at.
var errCrowded = errors.New("too many files")

// errTried says that a kept part is on trial.
var errTried = errors.New("something is tried")

// Settled is the host at a moment at which nothing was left to do: the files that decide about it,
// and the kernel's part. As long as both are the same, the hook need not ask NetworkManager.
type Settled struct {
	Devices []string // the tunnels' interfaces
	Files   string   // the stamps of the files, a line each
	Kernel  []byte   // the links, and the routes and rules of nmgre's, in the kernel's own form
}

// deciding are the files that the wanted routes and rules depend on. NetworkManager writes a file
// below devices when a device is up, down or not its own any more, and one below system-connections
// for each profile that it changes. The last ones are notes of nmgre's about work that goes on.
var deciding = []string{"proc/self/exe", keptDir, tunnelsDir, keptDir + "/" + othersFile,
	"etc/NetworkManager/system-connections", "run/NetworkManager", "run/NetworkManager/system-connections", devicesDir,
	trialDir, runDir + "/" + beforeFile, runDir + "/" + linksFile, runDir + "/" + waitingFile}

const devicesDir = "run/NetworkManager/devices"

// Stamps returns a line for each of the files that the wanted routes and rules depend on: when it
// was changed, and by which file it was replaced. It fails where there are too many of them, and
// where a trial goes on: no file tells when its process dies.
func (s *Store) Stamps() (string, error) {
	if tried, err := os.ReadDir(s.path(trialDir)); len(tried) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", errors.Join(errTried, err)
	}
	paths := slices.Clone(deciding)
	for _, dir := range []string{tunnelsDir, devicesDir} {
		entries, err := os.ReadDir(s.path(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		for _, entry := range entries {
			paths = append(paths, dir+"/"+entry.Name())
		}
	}
	if len(paths) > maxStamps {
		return "", errCrowded
	}
	var b strings.Builder
	for _, path := range paths {
		line, err := s.stampLine(path)
		if err != nil {
			return "", err
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// stampLine returns the line of one file.
func (s *Store) stampLine(path string) (string, error) {
	info, err := os.Stat(s.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("%q -\n", path), nil
	}
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("%s: it has no times", path)
	}
	return fmt.Sprintf("%q %d %d %o %d %d %d %d\n", path, stat.Dev, stat.Ino, stat.Mode, stat.Uid, stat.Size, stat.Mtim.Nano(), stat.Ctim.Nano()), nil
}

// Settled returns the last note, if the files are still the same. It needs no lock: whoever changes
// anything changes a file before.
func (s *Store) Settled() (Settled, bool) {
	text, err := s.readSettled()
	if err != nil {
		return Settled{}, false
	}
	noted, ok := parseSettled(text)
	if !ok {
		return Settled{}, false
	}
	now, err := s.Stamps()
	return noted, err == nil && now == noted.Files
}

// readSettled returns the text of the note, in memory of its size.
func (s *Store) readSettled() ([]byte, error) {
	file, err := s.open(runDir, settledFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSettled {
		return nil, errCrowded
	}
	text := make([]byte, info.Size())
	_, err = io.ReadFull(file, text)
	return text, err
}

// parseSettled reads a note of [Store.Settle].
func parseSettled(text []byte) (Settled, bool) {
	head, rest, ok := bytes.Cut(text, []byte("\n"))
	words := strings.Fields(string(head))
	if !ok || len(words) < 3 || strings.Join(words[:2], " ") != settledMark {
		return Settled{}, false
	}
	files, held, ok := bytes.Cut(rest, []byte("\n\n"))
	return Settled{Devices: words[2:], Files: string(files) + "\n", Kernel: held}, ok
}

// Settle notes that nothing is left to do. The caller has the lock, and has read n.Files before
// everything else.
func (s *Store) Settle(n Settled) error {
	text := fmt.Sprintf("%s %s\n%s\n", settledMark, strings.Join(n.Devices, " "), n.Files)
	if len(text)+len(n.Kernel) > maxSettled {
		return errCrowded
	}
	return denied("note that nothing is left to do", s.write(runDir, settledFile, func(file *os.File) error {
		_, err := file.Write(append([]byte(text), n.Kernel...))
		return err
	}))
}

// Unsettle forgets the note of [Store.Settle].
func (s *Store) Unsettle() { _ = os.Remove(s.path(runDir, settledFile)) } // a note that stays is out of date
