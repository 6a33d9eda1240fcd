package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// unknownStamp is the stamp of a file that cannot be told from another.
const unknownStamp = "unknown"

// stampOf returns a text that differs for every version of a file. nmgre writes each version to a
// new file, with its own inode. An editor may write into the old file; then the times differ.
func stampOf(file *os.File) string {
	info, err := file.Stat()
	if err != nil {
		return unknownStamp
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return unknownStamp
	}
	return fmt.Sprintf("%d-%d-%d-%d", stat.Ino, info.ModTime().UnixNano(), stat.Ctim.Nano(), info.Size())
}

// lineSize is about the size of a route's line, in bytes.
const lineSize = 32

// Put replaces the file of k.UUID, or removes it if k is empty. It writes nothing if the file
// already has the same content. As [keep.Store] says, it fails with ErrChanged if k.Stamp is not
// the file's, and undo is nil if nothing can have been changed.
func (s *Store) Put(ctx context.Context, k keep.Kept) (undo func(context.Context) error, err error) {
	attempt := "write what nmgre keeps for " + fault.Printable(k.Name)
	if !keep.IsUUID(k.UUID) {
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("%s: \"%.80s\" is not a profile's UUID", attempt, fault.Printable(k.UUID))}
	}
	if _, tried, err := s.live(k.UUID); err != nil || tried && !k.Empty() {
		return nil, errors.Join(err, isTried(attempt))
	}
	old, stamp, oldErr := s.raw(k.UUID)
	if k.Stamp != "" && k.Stamp != stamp {
		return nil, &fault.Error{Kind: fault.ErrChanged, What: attempt + ": somebody else has changed it meanwhile", Hint: "try again"}
	}
	text, err := s.textOf(k, false)
	if err != nil {
		return nil, denied(attempt, err)
	}
	if k.Empty() { // the tunnel goes, or all that is kept for it
		if err := s.EndTrial(ctx, k.UUID, false); err != nil {
			return nil, err
		}
	}
	if oldErr == nil && bytes.Equal(old, text) {
		return func(context.Context) error { return nil }, nil
	}
	undo = func(context.Context) error {
		if oldErr != nil {
			return denied("undo the change of the file for "+k.UUID, oldErr)
		}
		return denied("undo the change of the file for "+k.UUID, s.putText(k.UUID, old))
	}
	if err := s.putText(k.UUID, text); err != nil {
		if now, _, nowErr := s.raw(k.UUID); oldErr == nil && nowErr == nil && bytes.Equal(now, old) {
			undo = nil
		}
		return undo, denied(attempt, err)
	}
	return undo, nil
}

// raw returns the text of a tunnel's file, which is empty if there is none, and the file's stamp.
// It does not read a file that cannot be trusted.
func (s *Store) raw(uuid string) (text []byte, stamp string, err error) {
	file, err := s.open(tunnelsDir, uuid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, keep.StampNone, nil
	}
	if err != nil {
		return nil, unknownStamp, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err = io.ReadAll(io.LimitReader(file, maxFile))
	return text, stampOf(file), err
}

// putText writes a tunnel's file, or removes it if the text is empty.
func (s *Store) putText(uuid string, text []byte) error {
	if len(text) == 0 {
		return s.remove(tunnelsDir, uuid)
	}
	return s.write(tunnelsDir, uuid, func(file *os.File) error {
		_, err := file.Write(text)
		return err
	})
}
