// Package removals listens to the kernel's notifications of rules that were removed.
//
// Begin at [Watch].
package removals

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watch sends a value when somebody may have removed rules of nftables tables with that name.
// Values that nobody receives are joined into one. It listens in the network namespace of the
// thread that calls it. The channel is closed after the end of ctx. An error is the kernel's.
func Watch(ctx context.Context, table string) (<-chan struct{}, error) {
	file, err := listen()
	if err != nil {
		return nil, err
	}
	events := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })
	go func() {
		defer close(events)
		defer func() { _ = file.Close() }() // nothing was written
		defer stop()
		buffer := make([]byte, 64<<10)
		for ctx.Err() == nil {
			if !removal(file, buffer, table) {
				continue
			}
			select {
			case events <- struct{}{}:
			default:
			}
		}
	}()
	return events, nil
}

// listen joins the kernel's group for changes in nftables.
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "netlink")
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTABLES)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// readPause is the pause after a read that failed, so that no failure keeps the processor busy.
const readPause = 100 * time.Millisecond

// removal waits for a notification, and reports whether the table, a chain or a rule of it may have
// been removed. A lost notification may have told of that.
func removal(file *os.File, buffer []byte, table string) bool {
	n, err := file.Read(buffer)
	if err != nil {
		time.Sleep(readPause)
		return errors.Is(err, unix.ENOBUFS)
	}
	return removes(buffer[:n], table)
}

// removes reports whether a datagram tells of a table, a chain or a rule that was removed from a
// table with that name. Only the names matter, so the attributes are not taken apart: a
// name that stands elsewhere costs one comparison of the rules.
func removes(datagram []byte, table string) bool {
	if len(datagram) < unix.NLMSG_HDRLEN || !bytes.Contains(datagram, []byte(table+"\x00")) {
		return false
	}
	for at := 0; at+unix.NLMSG_HDRLEN <= len(datagram); {
		length := int(binary.NativeEndian.Uint32(datagram[at:]))
		switch binary.NativeEndian.Uint16(datagram[at+4:]) {
		case unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELTABLE, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELCHAIN, unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELRULE:
			return true
		}
		if length < unix.NLMSG_HDRLEN || length > len(datagram)-at {
			return true // cut off
		}
		at += (length + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1)
	}
	return false
}
