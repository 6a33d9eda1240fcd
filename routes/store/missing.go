package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"nmgre/routes/fault"
)

// dispatchers are the places in which distributions have the dispatcher or its D-Bus service.
var dispatchers = []string{
	"usr/libexec/nm-dispatcher", "usr/lib/NetworkManager/nm-dispatcher", "usr/lib/networkmanager/nm-dispatcher", busService,
}

// The bus has systemd start the dispatcher by an alias, which exists if the unit is enabled.
const (
	busService      = "usr/share/dbus-1/system-services/org.freedesktop.nm_dispatcher.service"
	dispatcherUnit  = "NetworkManager-dispatcher.service"
	dispatcherAlias = "dbus-org.freedesktop.nm-dispatcher.service"
)

// unitDirs are the folders of systemd's units. A unit in an earlier one hides the same unit in a
// later one (systemd.unit(5)).
var unitDirs = []string{
	"etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient", "etc/systemd/system", "run/systemd/system",
	"usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
}

// HookMissing returns nil if NetworkManager's dispatcher calls nmgre. Otherwise its error names the
// script, the dispatcher or the unit that is missing, with a hint. It is an ErrNotPermitted if the
// caller may not look.
func (s *Store) HookMissing(context.Context) error {
	if err := s.ScriptMissing(); err != nil {
		return err
	}
	if err := s.DispatcherMissing(); err != nil {
		return err
	}
	return s.UnitMissing()
}

// HasHook reports whether there is a file in the hook's place, whatever its content.
func (s *Store) HasHook() bool {
	_, err := os.Lstat(s.path(dispatcherDir, hookName))
	return err == nil
}

// ScriptMissing is the part of [Store.HookMissing] about the script: it is there, of this version
// of nmgre, and the dispatcher runs it.
func (s *Store) ScriptMissing() error {
	path := s.path(dispatcherDir, hookName)
	missing := func(format string, args ...any) error {
		return &fault.Error{What: fmt.Sprintf(format, args...), Hint: "set it up: sudo nmgre install-hook"}
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrPermission) {
		return denied("check whether the hook is installed", err)
	}
	if err != nil {
		return missing("the dispatcher's hook is not installed")
	}
	// These are the dispatcher's own rules, from its check_permissions.
	if s.trust(path, info) != nil || !info.Mode().IsRegular() || info.Mode()&0o100 == 0 || info.Mode()&fs.ModeSetuid != 0 {
		return missing("the dispatcher does not run %s: it must be a regular file, owned by root, executable, and writable by root alone", path)
	}
	text, err := s.readScript()
	h := parseScript(text)
	if err != nil || text != s.text(h) {
		return missing("%s differs from the hook of this version of nmgre", path)
	}
	if s.trustProgram(h.exe) != nil {
		return missing("%s calls %s, which is not there, or can be changed by others than root", path, fault.Printable(h.exe))
	}
	if linked, err := s.isLinked(); !linked || err != nil {
		return missing("%s is not a link to the hook", s.path(preUpDir, hookName))
	}
	return nil
}

// DispatcherMissing is the part of [Store.HookMissing] about NetworkManager's dispatcher: it is
// installed, and not switched off.
func (s *Store) DispatcherMissing() error {
	for _, dispatcher := range dispatchers {
		if _, err := os.Stat(s.path(dispatcher)); err == nil {
			return s.dispatcherOff()
		}
	}
	return &fault.Error{What: "NetworkManager's dispatcher is not installed", Hint: "install it: Fedora has it as NetworkManager-dispatcher"}
}

// dispatcherOff returns an error if systemd will surely not start the dispatcher.
func (s *Store) dispatcherOff() error {
	if !s.systemdRuns() || !s.startedBySystemd() {
		return nil
	}
	alias, unit := s.unit(dispatcherAlias), s.unit(dispatcherUnit)
	switch {
	case isMask(alias) || isMask(unit):
		return &fault.Error{What: dispatcherUnit + " is masked: NetworkManager calls no hooks",
			Hint: fmt.Sprintf("sudo systemctl unmask %[1]s; sudo systemctl enable %[1]s", dispatcherUnit)}
	case alias == "":
		return &fault.Error{What: dispatcherUnit + " is not enabled: NetworkManager calls no hooks", Hint: "sudo systemctl enable " + dispatcherUnit}
	}
	return nil
}

// startedBySystemd reports whether the bus has systemd start the dispatcher, by the alias.
func (s *Store) startedBySystemd() bool {
	file, err := os.Open(s.path(busService))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it is only read
	text, err := io.ReadAll(io.LimitReader(file, maxScript))
	return err == nil && strings.Contains("\n"+string(text), "\nSystemdService="+dispatcherAlias+"\n")
}

// unit returns the file that counts for a unit, or "" if there is none.
func (s *Store) unit(name string) string {
	for _, dir := range unitDirs {
		if _, err := os.Lstat(s.path(dir, name)); err == nil {
			return s.path(dir, name)
		}
	}
	return ""
}

// isMask reports whether a unit's file is a link to /dev/null, or empty.
func isMask(path string) bool {
	if target, err := os.Readlink(path); err == nil {
		return target == "/dev/null"
	}
	info, err := os.Stat(path)
	return err == nil && info.Size() == 0
}
