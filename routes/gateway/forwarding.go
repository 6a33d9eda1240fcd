package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// Forwarding reports whether IPv4 packets that come in by dev are forwarded
// (net.ipv4.conf.DEV.forwarding); for "all", whether those of new devices are. It fails with
// ErrNotFound if there is no such device.
func (g *Gateway) Forwarding(ctx context.Context, dev string) (bool, error) {
	path, err := g.path(ctx, dev)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false, switchError("read the forwarding of "+fault.Printable(dev), dev, err)
	}
	return len(bytes.TrimSpace(text)) > 0 && text[0] != '0', nil
}

// SetForwarding switches the forwarding of IPv4 packets that come in by dev. It fails with
// ErrNotFound if there is no such device, and with ErrNotPermitted without root. It does not accept
// "all".
func (g *Gateway) SetForwarding(ctx context.Context, dev string, on bool) error {
	path, err := g.path(ctx, dev)
	if err == nil && dev == "all" {
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
		return switchError("switch the forwarding of "+fault.Printable(dev), dev, err)
	}
	return nil
}

// path returns the path of the switch. It refuses names that would lead elsewhere.
func (g *Gateway) path(ctx context.Context, dev string) (string, error) {
	if dev == "" || dev == "." || dev == ".." || dev == "default" || len(dev) > 15 || strings.ContainsAny(dev, "/\x00") {
		return "", noDevice(dev, nil)
	}
	return filepath.Join(g.proc, "ipv4/conf", dev, "forwarding"), ctx.Err()
}

func noDevice(dev string, cause error) error {
	return &fault.Error{Kind: fault.ErrNotFound, What: fmt.Sprintf("there is no network device \"%.80s\"", fault.Printable(dev)), Err: cause}
}

func switchError(attempt, dev string, err error) error {
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
