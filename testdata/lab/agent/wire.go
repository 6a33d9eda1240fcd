package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Frame types. None may be helloPrefix's first byte: that is how a listener
// tells a new caller from the old one (see session.readFrames).
const (
	frameRequest  = 'R' // to the lab: a request in JSON, always the first frame
	frameInput    = 'I' // to the lab: standard input
	frameInputEnd = 'C' // to the lab: standard input has ended
	frameWindow   = 'W' // to the lab: rows and columns, two uint16
	frameSignal   = 'S' // to the lab: a signal number, one byte
	frameStdout   = 'O' // from the lab
	frameStderr   = 'E' // from the lab
	frameExit     = 'X' // from the lab: exit status, one byte, always the last frame
)

// A caller says helloPrefix, a nonce of nonceLen characters and a newline. The listener answers
// helloAnswer with the same nonce. The bytes before the answer were meant for an earlier caller of
// the same port and are dropped.
const (
	helloPrefix = "NMGRE-LAB-HELLO "
	helloAnswer = "NMGRE-LAB-READY "
	nonceLen    = 32
)

const maxFrame = 1 << 20

// chunk is how much output goes into one frame.
const chunk = 16 << 10

type request struct {
	Args []string
	Env  []string
	TTY  bool
	Rows uint16
	Cols uint16
}

var errNewCaller = errors.New("a new caller took over")

// frameWriter writes whole frames; it may be used by several goroutines.
type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frameWriter) write(kind byte, data []byte) error {
	buf := make([]byte, 5, 5+len(data))
	buf[0] = kind
	binary.BigEndian.PutUint32(buf[1:], uint32(len(data)))
	buf = append(buf, data...)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.w.Write(buf)
	return err
}

// copyFrom sends all that r gives as frames of one kind. It keeps reading
// after a failed write, so that the program behind r never blocks on it.
func (f *frameWriter) copyFrom(kind byte, r io.Reader) {
	buf := make([]byte, chunk)
	var failed bool
	for {
		n, err := r.Read(buf)
		if n > 0 && !failed {
			failed = f.write(kind, buf[:n]) != nil
		}
		if err != nil {
			return
		}
	}
}

func readFrame(r io.Reader) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return 0, nil, err
	}
	if head[0] == helloPrefix[0] {
		return 0, nil, errNewCaller
	}
	if _, err := io.ReadFull(r, head[1:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too long", n)
	}
	data := make([]byte, n)
	_, err := io.ReadFull(r, data)
	return head[0], data, err
}

// skipTo drops input up to and with prefix, then returns the n bytes after it.
func skipTo(r io.Reader, prefix string, n int) (string, error) {
	var one [1]byte
	matched := 0
	for matched < len(prefix) {
		if _, err := io.ReadFull(r, one[:]); err != nil {
			return "", err
		}
		switch {
		case one[0] == prefix[matched]:
			matched++
		case one[0] == prefix[0]:
			matched = 1
		default:
			matched = 0
		}
	}
	buf := make([]byte, n)
	_, err := io.ReadFull(r, buf)
	return string(buf), err
}
