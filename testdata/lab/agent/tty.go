package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

func ioctl(f *os.File, number, arg uintptr) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), number, arg)
	if errno != 0 {
		return errno
	}
	return nil
}

func openPTY() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	var unlock, number int32
	if err = ioctl(master, syscall.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlock))); err == nil {
		err = ioctl(master, syscall.TIOCGPTN, uintptr(unsafe.Pointer(&number)))
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		_ = master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

type window struct{ rows, cols, x, y uint16 }

func setWindow(f *os.File, rows, cols uint16) {
	if rows == 0 || cols == 0 {
		rows, cols = 24, 80
	}
	w := window{rows: rows, cols: cols}
	_ = ioctl(f, syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&w)))
}

func getWindow(f *os.File) (rows, cols uint16) {
	var w window
	_ = ioctl(f, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&w)))
	return w.rows, w.cols
}

// makeRaw lets every key reach the far side; the result undoes it.
func makeRaw(f *os.File) (restore func(), err error) {
	var old syscall.Termios
	if err := ioctl(f, syscall.TCGETS, uintptr(unsafe.Pointer(&old))); err != nil {
		return nil, err
	}
	raw := old
	raw.Iflag &^= syscall.IGNBRK | syscall.BRKINT | syscall.PARMRK | syscall.ISTRIP | syscall.INLCR | syscall.IGNCR | syscall.ICRNL | syscall.IXON
	raw.Oflag &^= syscall.OPOST
	raw.Lflag &^= syscall.ECHO | syscall.ECHONL | syscall.ICANON | syscall.ISIG | syscall.IEXTEN
	raw.Cflag = raw.Cflag&^(syscall.CSIZE|syscall.PARENB) | syscall.CS8
	raw.Cc[syscall.VMIN], raw.Cc[syscall.VTIME] = 1, 0
	if err := ioctl(f, syscall.TCSETS, uintptr(unsafe.Pointer(&raw))); err != nil {
		return nil, err
	}
	return func() { _ = ioctl(f, syscall.TCSETS, uintptr(unsafe.Pointer(&old))) }, nil
}
