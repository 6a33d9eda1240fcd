package adapters

import (
	"bytes"
	"context"
	"errors"

	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink"
	"nmgre/routes/store"
)

// Settled reports whether nothing is left for the hook to do at an event of NetworkManager's
// dispatcher: the files and the kernel are as a hook has left them. It asks neither NetworkManager
// nor the bus, and needs no lock. When a tunnel goes down it asks nobody and says no.
func Settled(ctx context.Context, files *store.Store, action string) bool {
	if keep.IsLeaving(action) {
		return false
	}
	noted, ok := files.Settled()
	if !ok {
		return false
	}
	k, err := netlink.New()
	if err != nil {
		return false
	}
	defer func() { _ = k.Close() }() // it returns nil
	own, err := k.Own(ctx, noted.Devices, len(noted.Kernel))
	return err == nil && bytes.Equal(own.Bytes, noted.Kernel)
}

// settling implements [keep.Settling] on the files of a host and its kernel.
type settling struct {
	kernel *netlink.Kernel
	files  *store.Store
	stamps string // of the files, from before they were read; empty if they cannot be noted
}

// Settling returns the notes for [Settled] that nothing is left to do. It is nil for a kernel that
// is not this host's own.
func Settling(k kernel.Kernel, files *store.Store) keep.Settling {
	own, ok := k.(*netlink.Kernel)
	if !ok {
		return nil
	}
	return &settling{kernel: own, files: files}
}

// Begin implements [keep.Settling].
func (s *settling) Begin() {
	var err error
	if s.stamps, err = s.files.Stamps(); err != nil {
		s.stamps = ""
	}
}

// Settle implements [keep.Settling]. The counts tell whether somebody has changed the kernel since.
// A note that cannot be written only costs the next hook its time.
func (s *settling) Settle(ctx context.Context, devices []string, routes, rules int) {
	err := netlink.Ahead(routes+rules, func() error { return s.note(ctx, devices, routes, rules) })
	if err != nil {
		s.Unsettle()
	}
}

// errUnsettled says that the host cannot be noted.
var errUnsettled = errors.New("not all is as it was read")

func (s *settling) note(ctx context.Context, devices []string, routes, rules int) error {
	own, err := s.kernel.Own(ctx, devices, 100*(routes+rules+1))
	if err != nil {
		return err
	}
	if s.stamps == "" || own.Routes != routes || own.Rules != rules {
		return errUnsettled
	}
	return s.files.Settle(store.Settled{Devices: devices, Files: s.stamps, Kernel: own.Bytes})
}

// Unsettle implements [keep.Settling].
func (s *settling) Unsettle() { s.files.Unsettle() }
