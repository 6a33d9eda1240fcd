package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Exit statuses that are not the command's own.
const (
	exitTimeout = 124
	exitLost    = 125
)

// leaveKey, typed twice as "Ctrl-A X", leaves an interactive command.
const leaveKey = 0x01

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func execMain(args []string) int {
	set := flag.NewFlagSet("exec", flag.ExitOnError)
	dir := set.String("dir", "", "folder with the sockets of the lab")
	tty := set.Bool("tty", false, "give the command a terminal")
	timeout := set.Float64("timeout", 0, "give up after so many seconds (exit status 124)")
	var env list
	set.Var(&env, "env", "NAME=VALUE for the command; may be repeated")
	_ = set.Parse(args)
	if *dir == "" || set.NArg() == 0 {
		usage()
	}
	if *timeout > 0 {
		time.AfterFunc(time.Duration(*timeout*float64(time.Second)), func() {
			fmt.Fprintf(os.Stderr, "lab: no end after %g seconds\n", *timeout)
			restoreTerminal()
			os.Exit(exitTimeout)
		})
	}
	req := request{Args: set.Args(), Env: env, TTY: *tty}
	status, err := call(*dir, req)
	restoreTerminal()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		return exitLost
	}
	return status
}

// restoreTerminal undoes makeRaw, once.
var restoreTerminal = func() {}

func call(dir string, req request) (int, error) {
	conn, err := connect(dir)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	if err := greet(in, conn); err != nil {
		return 0, err
	}
	out := &frameWriter{w: conn}
	if req.TTY {
		if restoreTerminal, err = makeRaw(os.Stdin); err != nil {
			restoreTerminal = func() {}
			return 0, fmt.Errorf("an interactive command needs a terminal: %w", err)
		}
		req.Rows, req.Cols = getWindow(os.Stdin)
	}
	data, err := json.Marshal(req)
	if err != nil {
		return 0, err
	}
	if err := out.write(frameRequest, data); err != nil {
		return 0, err
	}
	left := make(chan struct{})
	go forwardSignals(out, req.TTY)
	go forwardInput(out, req.TTY, left)
	return receive(in, left)
}

// connect takes a free port. Socket paths have little room, so it works from inside the folder.
func connect(dir string) (net.Conn, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	if _, err := os.Stat("agent.sock"); err == nil {
		return net.Dial("unix", "agent.sock")
	}
	ports, err := filepath.Glob("port?")
	if err != nil || len(ports) == 0 {
		return nil, errors.Join(err, errors.New("no lab runs here"))
	}
	for _, p := range ports {
		lock, err := os.OpenFile(p+".lock", os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, err
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			taken = lock
			return net.Dial("unix", p)
		}
		_ = lock.Close()
	}
	return nil, fmt.Errorf("all %d ports of the lab are in use", len(ports))
}

// taken holds the lock of the port in use until the process ends.
var taken *os.File //nolint:unused // holding it is its use

func greet(in io.Reader, out io.Writer) error {
	raw := make([]byte, nonceLen/2)
	_, _ = rand.Read(raw)
	nonce := hex.EncodeToString(raw)
	if _, err := io.WriteString(out, helloPrefix+nonce+"\n"); err != nil {
		return err
	}
	for {
		got, err := skipTo(in, helloAnswer, nonceLen+1)
		if err != nil {
			return fmt.Errorf("the lab does not answer: %w", err)
		}
		if got == nonce+"\n" {
			return nil
		}
	}
}

func forwardSignals(out *frameWriter, tty bool) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGWINCH)
	if !tty {
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	}
	interrupts := 0
	for s := range signals {
		if s == syscall.SIGWINCH {
			var data [4]byte
			rows, cols := getWindow(os.Stdin)
			binary.BigEndian.PutUint16(data[:], rows)
			binary.BigEndian.PutUint16(data[2:], cols)
			_ = out.write(frameWindow, data[:])
			continue
		}
		number := s.(syscall.Signal)
		_ = out.write(frameSignal, []byte{byte(number)})
		if interrupts++; interrupts > 1 {
			os.Exit(128 + int(number))
		}
	}
}

func forwardInput(out *frameWriter, tty bool, left chan<- struct{}) {
	buf := make([]byte, chunk)
	armed := false
	for {
		n, err := os.Stdin.Read(buf)
		if n > 0 {
			if tty && leaves(buf[:n], &armed) {
				close(left)
				return
			}
			if out.write(frameInput, buf[:n]) != nil {
				return
			}
		}
		if err != nil {
			_ = out.write(frameInputEnd, nil)
			return
		}
	}
}

// leaves reports whether Ctrl-A and then X was typed.
func leaves(keys []byte, armed *bool) bool {
	for _, k := range keys {
		if *armed && bytes.IndexByte([]byte("xX"), k) >= 0 {
			return true
		}
		*armed = k == leaveKey
	}
	return false
}

type frame struct {
	kind byte
	data []byte
	err  error
}

func receive(in io.Reader, left <-chan struct{}) (int, error) {
	frames := make(chan frame)
	go func() {
		for {
			kind, data, err := readFrame(in)
			frames <- frame{kind, data, err}
			if err != nil {
				return
			}
		}
	}()
	for {
		select {
		case <-left:
			return 0, nil
		case f := <-frames:
			if f.err != nil {
				return 0, fmt.Errorf("the lab has gone away: %w", f.err)
			}
			switch f.kind {
			case frameStdout:
				_, _ = os.Stdout.Write(f.data)
			case frameStderr:
				_, _ = os.Stderr.Write(f.data)
			case frameExit:
				if len(f.data) == 1 {
					return int(f.data[0]), nil
				}
			}
		}
	}
}
