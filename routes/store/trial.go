package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/keep/format"
)

// trialDir has the kept parts on trial. A boot empties it. The name of a file says whose it is:
// "UUID.PID.START.KIND", with the process and its start time as in proc_pid_stat(5).
const trialDir = runDir + "/trial"

// The kinds of trials, see [keep.Tried].
const (
	kindByProfile = "profile"
	kindAlone     = "alone"
)

// trial is a file in trialDir.
type trial struct {
	keep.Tried
	name string
}

// parseTrial reads the name of a file in trialDir. It is false for other files.
func parseTrial(name string) (trial, bool) {
	words := strings.Split(name, ".")
	if len(words) != 4 || !keep.IsUUID(words[0]) || words[3] != kindByProfile && words[3] != kindAlone {
		return trial{}, false
	}
	pid, err := strconv.Atoi(words[1])
	if err != nil || pid < 1 {
		return trial{}, false
	}
	start, alive := startOf(strconv.Itoa(pid))
	return trial{keep.Tried{UUID: words[0], Dead: !alive || start != words[2], ByProfile: words[3] == kindByProfile}, name}, true
}

// startOf returns the time when a process was started, in clock ticks since the boot. It is false
// for a process that has ended. The process is named as in /proc.
func startOf(pid string) (start string, alive bool) {
	file, err := os.Open(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return "", false
	}
	defer func() { _ = file.Close() }() // it was only read
	stat, err := io.ReadAll(io.LimitReader(file, 4096))
	// the program's name, in parentheses, may have spaces and parentheses itself
	words := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if err != nil || len(words) < 20 || words[0] == "Z" || words[0] == "X" {
		return "", false
	}
	return words[19], true
}

// trials returns the files in trialDir.
func (s *Store) trials() ([]trial, error) {
	entries, err := os.ReadDir(s.path(trialDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = s.trustDirs(trialDir)
	}
	if err != nil {
		return nil, denied("list what is kept on trial", err)
	}
	var all []trial
	for _, entry := range entries {
		if t, ok := parseTrial(entry.Name()); ok {
			all = append(all, t)
		}
	}
	return all, nil
}

// Tried returns the kept parts on trial.
func (s *Store) Tried(context.Context) ([]keep.Tried, error) {
	all, err := s.trials()
	var tried []keep.Tried
	for _, t := range all {
		_, missing := os.Lstat(s.path(tunnelsDir, t.UUID))
		t.New = errors.Is(missing, fs.ErrNotExist)
		tried = append(tried, t.Tried)
	}
	return tried, err
}

// live returns the trial of a tunnel that counts, if there is one.
func (s *Store) live(uuid string) (t trial, ok bool, err error) {
	all, err := s.trials()
	for _, t := range all {
		if t.UUID == uuid && !t.Dead {
			return t, true, nil
		}
	}
	return trial{}, false, err
}

// place returns the folder and the name of the file that counts for a tunnel.
func (s *Store) place(uuid string) (dir, name string, err error) {
	t, ok, err := s.live(uuid)
	if ok {
		return trialDir, t.name, nil
	}
	return tunnelsDir, uuid, err
}

// Try writes k for the trial of its tunnel by this process. It fails with ErrChanged if k.Stamp is
// not that of the tunnel's file, and while somebody else tries another k.
func (s *Store) Try(_ context.Context, k keep.Kept, byProfile bool) (undo func(context.Context) error, err error) {
	attempt := "write what nmgre tries for " + fault.Printable(k.Name)
	if _, err := format.Write(io.Discard, k); err != nil {
		return nil, denied(attempt, err)
	}
	if _, tried, err := s.live(k.UUID); tried || err != nil {
		return nil, errors.Join(err, isTried(attempt))
	}
	if k.Stamp != "" && k.Stamp != s.stampNow(k.UUID) {
		return nil, &fault.Error{Kind: fault.ErrChanged, What: attempt + ": somebody else has changed it meanwhile", Hint: "try again"}
	}
	start, alive := startOf("self")
	if !alive {
		return nil, &fault.Error{What: attempt, Err: errors.New("/proc/self/stat cannot be read"), Hint: "mount /proc"}
	}
	kind := kindAlone
	if byProfile {
		kind = kindByProfile
	}
	name := fmt.Sprintf("%s.%d.%s.%s", k.UUID, os.Getpid(), start, kind)
	uuid := k.UUID // undo must not hold all of k in memory
	undo = func(ctx context.Context) error { return s.EndTrial(ctx, uuid, false) }
	return undo, denied(attempt, s.write(trialDir, name, func(file *os.File) error {
		_, err := format.Write(file, k)
		return err
	}))
}

// isTried is the error for a tunnel whose kept part is on trial.
func isTried(attempt string) error {
	return &fault.Error{Kind: fault.ErrChanged, What: attempt + ": another nmgre is changing the tunnel right now", Hint: "try again when it is done"}
}

// EndTrial ends all trials of a tunnel. With save, the content of the trial becomes the tunnel's
// file.
func (s *Store) EndTrial(_ context.Context, uuid string, save bool) error {
	const attempt = "end the trial of what nmgre keeps"
	all, err := s.trials()
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.UUID != uuid {
			continue
		}
		if save {
			if err := s.saveTrial(t); err != nil {
				return denied(attempt, err)
			}
		}
		if err := s.remove(trialDir, t.name); err != nil {
			return denied(attempt, err)
		}
	}
	return nil
}

// saveTrial writes the content of a trial to the tunnel's file.
func (s *Store) saveTrial(t trial) error {
	file, err := s.open(trialDir, t.name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	k, _, err := format.ParseKnown(file, nil)
	switch {
	case err != nil:
		return err
	case k.Empty():
		return s.copyTo(t.UUID, nil)
	}
	return s.copyTo(t.UUID, file)
}
