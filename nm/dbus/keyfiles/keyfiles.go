// Package keyfiles reads the names of tunnels from NetworkManager's own files.
//
// NetworkManager tells the settings of one profile at a time, and takes a part of a millisecond for
// each. A shell that completes a name among a thousand does not wait that long. Only root may read
// the files, and NetworkManager may have profiles in other forms: so a caller compares the number
// of profiles with NetworkManager's own, and asks NetworkManager where they differ.
//
// It reads only, and every read is bounded. Begin with [Tunnels].
package keyfiles

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Limits on the files.
const (
	maxFile  = 64 << 10 // bytes of a file
	maxFiles = 100_000  // files of a folder
)

// folders are those of NetworkManager's keyfile plugin. Of several profiles with one UUID the first
// counts: changes in memory only are in /run.
var folders = [...]string{"run/NetworkManager/system-connections", "etc/NetworkManager/system-connections", "usr/lib/NetworkManager/system-connections"}

// Tunnels returns the GRE tunnels among the profiles in NetworkManager's files below root, with
// UUID, Tunnel.Name, Tunnel.Mode and Tunnel.Remote, and the number of all profiles that it could
// read. It ends early, with fewer of them, when ctx ends.
func Tunnels(ctx context.Context, root string) (tunnels []nm.Profile, all int) {
	seen, text := make(map[string]bool), make([]byte, maxFile)
	for _, folder := range folders {
		folder = filepath.Join(root, folder)
		for _, name := range names(folder) {
			if ctx.Err() != nil {
				return tunnels, len(seen)
			}
			p, ok := read(filepath.Join(folder, name), text)
			if !ok || seen[p.UUID] {
				continue
			}
			seen[p.UUID] = true
			if p.Tunnel.Mode != 0 && p.Tunnel.Name != "" {
				tunnels = append(tunnels, p)
			}
		}
	}
	slices.SortFunc(tunnels, nm.ByName)
	return tunnels, len(seen)
}

// read reads a file into text, whose memory is used again. It is no profile if it has no UUID.
func read(file string, text []byte) (p nm.Profile, ok bool) {
	// a pipe would hold up whoever opens it
	fd, err := syscall.Open(file, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return p, false
	}
	defer func() { _ = syscall.Close(fd) }() // it was only read
	var is syscall.Stat_t
	if err := syscall.Fstat(fd, &is); err != nil || is.Mode&syscall.S_IFMT != syscall.S_IFREG || is.Size >= maxFile {
		return p, false
	}
	n, err := syscall.Read(fd, text)
	if err != nil || n <= 0 {
		return p, false
	}
	p = profile(string(text[:n]))
	return p, p.UUID != ""
}

// profile reads a profile (nm-settings-keyfile(5)) as far as it matters here.
func profile(text string) (p nm.Profile) {
	var section, kind, mode, remote string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		switch value = strings.TrimSpace(value); section + "." + strings.TrimSpace(key) {
		case "connection.uuid":
			p.UUID = fault.Printable(value)
		case "connection.type":
			kind = value
		case "connection.interface-name":
			p.Tunnel.Name = fault.Printable(value)
		case "ip-tunnel.mode":
			mode = value
		case "ip-tunnel.remote":
			remote = value
		}
	}
	number, err := strconv.ParseUint(mode, 10, 32)
	if err != nil || kind != wire.IPTunnel {
		return p
	}
	p.Tunnel.Mode = wire.Settings{wire.Connection: {"type": dbus.MakeVariant(kind)}, wire.IPTunnel: {"mode": dbus.MakeVariant(uint32(number))}}.Mode()
	p.Tunnel.Remote, _ = netip.ParseAddr(remote)
	return p
}

// names returns the names of the files in a folder that can be profiles, none of a folder that
// cannot be read.
func names(folder string) []string {
	dir, err := os.Open(folder) //nolint:gosec // NetworkManager's
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }() // it was only read
	all, _ := dir.Readdirnames(maxFiles)
	return all
}
