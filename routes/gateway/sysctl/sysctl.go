// Package sysctl is the kernel's settings of its devices, in the files below /proc/sys/net.
//
// Begin at [Settings].
package sysctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// All is the name that stands for every device. No device can have it.
const All = "all"

// Settings is the folder with the settings, "/proc/sys/net" on a host.
type Settings string

// Forwarding reports whether IPv4 packets that come in by a device are forwarded
// (net.ipv4.conf.DEV.forwarding); for [All], whether those of new devices are. It fails with
// ErrNotFound if there is no such device.
func (s Settings) Forwarding(dev string) (bool, error) {
	n, err := s.number(dev, "forwarding")
	return n != 0, err
}

// SetForwarding switches the forwarding of IPv4 packets that come in by a device. It fails with
// ErrNotFound if there is no such device, and with ErrNotPermitted without root. It does not accept
// [All].
func (s Settings) SetForwarding(dev string, on bool) error {
	path, err := s.path(dev, "forwarding")
	if err == nil && dev == All {
		err = noDevice(dev, nil)
	}
	if err != nil {
		return err
	}
	value := "0\n"
	if on {
		value = "1\n"
	}
	file, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err == nil {
		_, err = file.WriteString(value)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return failed("switch the forwarding of "+fault.Printable(dev), dev, err)
	}
	return nil
}

// ReversePathFilter returns the settings of the filter for the IPv4 packets that come in by a
// device (net.ipv4.conf.DEV.rp_filter, and that of [All]). It fails with ErrNotFound if there is no
// such device.
func (s Settings) ReversePathFilter(dev string) (f keep.ReversePathFilter, err error) {
	const name = "rp_filter"
	if f.All, err = s.number(All, name); err == nil {
		f.Own, err = s.number(dev, name)
	}
	return f, err
}

// number reads a setting of a device.
func (s Settings) number(dev, name string) (int, error) {
	path, err := s.path(dev, name)
	if err != nil {
		return 0, err
	}
	attempt := "read the " + name + " of " + fault.Printable(dev)
	file, err := os.Open(path)
	if err != nil {
		return 0, failed(attempt, dev, err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(file, 100))
	if err != nil {
		return 0, failed(attempt, dev, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, &fault.Error{What: attempt, Err: errors.New("it is no number")}
	}
	return n, nil
}

// path returns the path of a setting. It refuses names that would lead elsewhere.
func (s Settings) path(dev, name string) (string, error) {
	if dev == "" || dev == "." || dev == ".." || dev == "default" || len(dev) > 15 || strings.ContainsAny(dev, "/\x00") {
		return "", noDevice(dev, nil)
	}
	return filepath.Join(string(s), "ipv4/conf", dev, name), nil
}

func noDevice(dev string, cause error) error {
	return &fault.Error{Kind: fault.ErrNotFound, What: fmt.Sprintf("there is no network device \"%.80s\"", fault.Printable(dev)), Err: cause}
}

func failed(attempt, dev string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // without the path, which has the unescaped name
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noDevice(dev, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return &fault.Error{Kind: fault.ErrNotPermitted, What: attempt, Hint: "run it with sudo; in a container /proc/sys may be read-only", Err: err}
	}
	return &fault.Error{What: attempt, Err: err}
}
