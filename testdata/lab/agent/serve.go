package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long a command may take to end after its caller has gone.
const grace = 3 * time.Second

func serveMain(args []string) int {
	set := flag.NewFlagSet("serve", flag.ExitOnError)
	virtio := set.Bool("virtio", false, "listen on the virtio-serial ports lab.*")
	path := set.String("unix", "", "listen on this Unix socket")
	_ = set.Parse(args)
	var err error
	switch {
	case *virtio:
		err = serveVirtio()
	case *path != "":
		err = serveUnix(*path)
	default:
		usage()
	}
	fmt.Fprintln(os.Stderr, "agent:", err)
	return 1
}

func serveUnix(path string) error {
	// Listen first under another name: the socket's appearance says "ready".
	tmp := path + ".tmp"
	listener, err := net.Listen("unix", tmp)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			_ = serveCaller(bufio.NewReader(conn), conn)
			_ = conn.Close()
		}()
	}
}

func serveVirtio() error {
	ports, err := filepath.Glob("/sys/class/virtio-ports/vport*/name")
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	for _, p := range ports {
		name, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(name), "lab.") {
			continue
		}
		port, err := openPort("/dev/" + filepath.Base(filepath.Dir(p)))
		if err != nil {
			return err
		}
		running.Go(func() { servePort(port) })
	}
	running.Wait()
	return errors.New("no virtio-serial port named lab.* is left")
}

// servePort serves one caller after the other. While nobody is connected, a read gives "end of
// file" at once, but a write waits: so wait with a write. The caller drops the bytes before the
// answer to its greeting.
func servePort(port io.ReadWriter) {
	in := bufio.NewReader(port)
	for {
		err := serveCaller(in, port)
		if err == nil || errors.Is(err, errNewCaller) {
			continue
		}
		if _, err := port.Write([]byte("\n")); err != nil {
			time.Sleep(time.Second)
		}
	}
}

// rawPort reads and writes a port without the runtime's poller, which takes
// "nobody is connected" for an error.
type rawPort int

func openPort(path string) (rawPort, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	return rawPort(fd), err
}

func (p rawPort) Read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(p), b)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (p rawPort) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := syscall.Write(int(p), b[done:])
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

func serveCaller(in *bufio.Reader, out io.Writer) error {
	nonce, err := skipTo(in, helloPrefix, nonceLen+1)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, helloAnswer+nonce); err != nil {
		return err
	}
	kind, data, err := readFrame(in)
	if err != nil {
		return giveBack(in, err)
	}
	var req request
	if kind != frameRequest {
		return fmt.Errorf("first frame is %q", kind)
	}
	if err := json.Unmarshal(data, &req); err != nil {
		return err
	}
	s := &session{out: &frameWriter{w: out}}
	return giveBack(in, s.run(req, in))
}

// giveBack puts the first byte of a new caller's greeting back.
func giveBack(in *bufio.Reader, err error) error {
	if errors.Is(err, errNewCaller) {
		_ = in.UnreadByte()
	}
	return err
}

// session is one command with its input and output.
type session struct {
	out     *frameWriter
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	tty     *os.File
	copying sync.WaitGroup
}

func (s *session) run(req request, in *bufio.Reader) error {
	if err := s.start(req); err != nil {
		_ = s.out.write(frameStderr, fmt.Appendf(nil, "lab: %v\n", err))
		_ = s.out.write(frameExit, []byte{127})
		return s.readFrames(in, nil)
	}
	ended := make(chan struct{})
	go s.finish(ended)
	err := s.readFrames(in, ended)
	select {
	case <-ended: // the caller has its status and closed the connection
		return err
	default: // the caller has gone
		s.signal(syscall.SIGHUP)
	}
	select {
	case <-ended:
	case <-time.After(grace):
		s.signal(syscall.SIGKILL)
		<-ended
	}
	return err
}

func (s *session) start(req request) error {
	if len(req.Args) == 0 {
		return errors.New("no command")
	}
	// Look the command up in the caller's PATH, not in the agent's.
	for _, e := range req.Env {
		if name, value, ok := strings.Cut(e, "="); ok {
			_ = os.Setenv(name, value)
		}
	}
	s.cmd = exec.Command(req.Args[0], req.Args[1:]...)
	s.cmd.Env = append(os.Environ(), req.Env...)
	if req.TTY {
		return s.startTTY(req)
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return err
	}
	s.cmd.Stdout, s.cmd.Stderr = outW, errW
	err = s.cmd.Start()
	_ = outW.Close()
	_ = errW.Close()
	s.copying.Go(func() { s.out.copyFrom(frameStdout, outR); _ = outR.Close() })
	s.copying.Go(func() { s.out.copyFrom(frameStderr, errR); _ = errR.Close() })
	return err
}

func (s *session) startTTY(req request) error {
	master, slave, err := openPTY()
	if err != nil {
		return err
	}
	defer func() { _ = slave.Close() }()
	setWindow(master, req.Rows, req.Cols)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		_ = master.Close()
		return err
	}
	s.stdin, s.tty = master, master
	s.copying.Go(func() { s.out.copyFrom(frameStdout, master) })
	return nil
}

// finish waits for the command, lets the last output through and sends the exit status. Daemons
// that the command left behind may hold its output open: they get a short while only.
func (s *session) finish(ended chan<- struct{}) {
	err := s.cmd.Wait()
	drained := make(chan struct{})
	go func() { s.copying.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(500 * time.Millisecond):
	}
	_ = s.out.write(frameExit, []byte{exitStatus(s.cmd, err)})
	close(ended)
}

func exitStatus(cmd *exec.Cmd, err error) byte {
	if err == nil {
		return 0
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled():
		return byte(128 + int(status.Signal()))
	case cmd.ProcessState.ExitCode() > 0:
		return byte(cmd.ProcessState.ExitCode())
	default:
		return 126
	}
}

// signal reaches the command and the processes in its own process group.
func (s *session) signal(sig syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, sig)
}

// readFrames obeys the caller until it goes away.
func (s *session) readFrames(in *bufio.Reader, ended <-chan struct{}) error {
	for {
		kind, data, err := readFrame(in)
		if err != nil {
			return err
		}
		if s.stdin == nil {
			continue
		}
		switch kind {
		case frameInput:
			_, _ = s.stdin.Write(data)
		case frameInputEnd:
			if s.tty == nil {
				_ = s.stdin.Close()
			}
		case frameWindow:
			if s.tty != nil && len(data) == 4 {
				setWindow(s.tty, binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]))
			}
		case frameSignal:
			select {
			case <-ended: // the process id may be another's by now
			default:
				if len(data) == 1 {
					s.signal(syscall.Signal(data[0]))
				}
			}
		}
	}
}
