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

// unknownStamp is that of a file which cannot be told from another.
const unknownStamp = "unknown"

// stampOf tells a file from every other that had its name: each is written to a file of its own. An
// editor may write in the file's place; then the times of writing differ.
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

// lineSize is about what a line of a route takes.
const lineSize = 32

// Put writes the file of k anew, unless it says the same already, or removes it if there is nothing
// to keep.
func (s *Store) Put(_ context.Context, k keep.Kept) (back func(context.Context) error, err error) {
	what := "write what nmgre keeps for " + fault.Printable(k.Name)
	if !keep.IsUUID(k.UUID) {
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("%s: \"%.80s\" is no profile's UUID", what, fault.Printable(k.UUID))}
	}
	old, stamp, oldErr := s.raw(k.UUID)
	if k.Stamp != "" && k.Stamp != stamp {
		return nil, &fault.Error{Kind: fault.ErrChanged, What: what + ": somebody else has changed it meanwhile", Hint: "try again"}
	}
	var text bytes.Buffer
	text.Grow(lineSize * len(k.Routes))
	if !k.Empty() {
		if _, err := k.WriteTo(&text); err != nil {
			return nil, denied(what, err)
		}
	}
	if oldErr == nil && bytes.Equal(old, text.Bytes()) {
		return func(context.Context) error { return nil }, nil
	}
	back = func(context.Context) error {
		if oldErr != nil {
			return denied("put back what nmgre kept for "+k.UUID, oldErr)
		}
		return denied("put back what nmgre kept for "+k.UUID, s.putText(k.UUID, old))
	}
	if err := s.putText(k.UUID, text.Bytes()); err != nil {
		if now, _, nowErr := s.raw(k.UUID); oldErr == nil && nowErr == nil && bytes.Equal(now, old) {
			back = nil
		}
		return back, denied(what, err)
	}
	return back, nil
}

// raw returns the text of a tunnel's file, empty if there is none, and its stamp. A file that
// cannot be trusted is not read.
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

// putText writes a tunnel's file; an empty one is removed.
func (s *Store) putText(uuid string, text []byte) error {
	if len(text) == 0 {
		return s.remove(tunnelsDir, uuid)
	}
	return s.write(tunnelsDir, uuid, func(file *os.File) error {
		_, err := file.Write(text)
		return err
	})
}
