package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/keep/format"
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

// Put replaces the file of k.UUID, or removes it if k is empty. It writes nothing if the file
// already has the same content. As [keep.Store] says, it fails with ErrChanged if k.Stamp is not
// the file's, and undo is nil if nothing can have been changed.
func (s *Store) Put(ctx context.Context, k keep.Kept) (undo func(context.Context) error, err error) {
	attempt := "write what nmgre keeps for " + fault.Printable(k.Name)
	if k.Name == "" && keep.IsUUID(k.UUID) {
		attempt += "the profile " + k.UUID
	}
	if !keep.IsUUID(k.UUID) {
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("%s: \"%.80s\" is not a profile's UUID", attempt, fault.Printable(k.UUID))}
	}
	if _, tried, err := s.live(k.UUID); err != nil || tried && !k.Empty() {
		return nil, errors.Join(err, isTried(attempt))
	}
	old, stamp, oldErr := s.openOld(k.UUID)
	if k.Stamp != "" && k.Stamp != stamp {
		return nil, &fault.Error{Kind: fault.ErrChanged, What: attempt + ": somebody else has changed it meanwhile", Hint: "try again"}
	}
	same, err := hasText(old, k)
	if err != nil {
		return nil, denied(attempt, err)
	}
	if k.Empty() { // the tunnel goes, or all that is kept for it
		if err := s.EndTrial(ctx, k.UUID, false); err != nil {
			return nil, err
		}
	}
	if oldErr == nil && same {
		_ = old.Close() // it was only read; there may be none
		return func(context.Context) error { return nil }, nil
	}
	uuid := k.UUID // undo must not hold all of k in memory
	undo = func(context.Context) error {
		if oldErr != nil {
			return denied("undo the change of the file for "+uuid, oldErr)
		}
		return denied("undo the change of the file for "+uuid, s.copyTo(uuid, old))
	}
	if err := s.putKept(k); err != nil {
		if now := s.stampNow(k.UUID); now == stamp && now != unknownStamp {
			undo = nil
		}
		return undo, denied(attempt, err)
	}
	return undo, nil
}

// openOld opens a tunnel's file, and returns its stamp; the file is nil if there is none. It does
// not open one that cannot be trusted. The file is closed when nobody holds it any more: an undo
// does as long as it may be called. So the old text of very many routes need not be in memory, and
// [Store.replace] leaves it where it is.
func (s *Store) openOld(uuid string) (file *os.File, stamp string, err error) {
	file, err = s.open(tunnelsDir, uuid)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, keep.StampNone, nil
	case err != nil:
		return nil, unknownStamp, err
	}
	return file, stampOf(file), nil
}

// stampNow returns the stamp of a tunnel's file.
func (s *Store) stampNow(uuid string) string {
	file, stamp, _ := s.openOld(uuid) // the stamp says whether there is one
	_ = file.Close()                  // it was only looked at; there may be none
	return stamp
}

// hasText reports whether a file, which may be nil, has the text that [Store.putKept] would write
// for k. It fails if k cannot be written.
func hasText(file *os.File, k keep.Kept) (bool, error) {
	if k.Empty() {
		return file == nil, nil
	}
	other := comparer{differs: file == nil}
	if file != nil {
		other.in = bufio.NewReader(file)
	}
	if _, err := format.Write(&other, k); err != nil {
		return false, err
	}
	return !other.differs && other.atEnd(), nil
}

// comparer is a writer that compares the written text with a file.
type comparer struct {
	in      *bufio.Reader
	buffer  []byte
	differs bool
}

func (c *comparer) Write(p []byte) (int, error) {
	if c.differs {
		return len(p), nil
	}
	c.buffer = slices.Grow(c.buffer[:0], len(p))[:len(p)]
	_, err := io.ReadFull(c.in, c.buffer)
	c.differs = err != nil || !bytes.Equal(c.buffer, p)
	return len(p), nil
}

func (c *comparer) atEnd() bool {
	_, err := c.in.ReadByte()
	return errors.Is(err, io.EOF)
}

// putKept writes a tunnel's file, or removes it if k is empty.
func (s *Store) putKept(k keep.Kept) error {
	if k.Empty() {
		return s.remove(tunnelsDir, k.UUID)
	}
	return s.write(tunnelsDir, k.UUID, func(file *os.File) error {
		_, err := format.Write(file, k)
		return err
	})
}

// copyTo makes a tunnel's file a copy of old, or removes it if old is nil.
func (s *Store) copyTo(uuid string, old *os.File) error {
	if old == nil {
		return s.remove(tunnelsDir, uuid)
	}
	return s.write(tunnelsDir, uuid, func(file *os.File) error {
		_, err := io.Copy(file, io.NewSectionReader(old, 0, maxFile))
		return err
	})
}
