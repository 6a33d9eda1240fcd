package store

import (
	"slices"
	"strings"
)

// hookMark begins the script of every version of nmgre.
const hookMark = "#!/bin/sh\n# Made by nmgre install-hook"

const (
	maxScript = 64 << 10 // bytes
	madeMark  = "# Folders that it made: "
)

// script is the part of the hook that differs from host to host.
type script struct {
	exe  string   // the program that it calls
	made []string // the folders that were made for it, as paths below the root
}

// text returns the hook's text. The dispatcher calls it for every event of every connection of the
// host, so it sorts out by itself the events that do not matter.
//
// The interface's name, the UUID and the environment come from others: every word is quoted, and
// the UUID is checked before it becomes a part of a path. The events are those at which a tunnel
// comes up, goes down or loses its routes, and those at which the way to the far end, or another
// tunnel of a multipath route, changes. There is no event when a profile is deleted while it is
// down: its file has no effect, and the next event or command removes it.
func (s *Store) text(h script) string {
	made := ""
	if len(h.made) > 0 {
		made = madeMark + strings.Join(h.made, " ") + "\n"
	}
	return hookMark + `. It puts back what NetworkManager cannot hold of a tunnel; nmgre remove-hook removes it.
# systemd's ` + UnitName + ` does so after a firewall was started anew.
` + made + `case $2 in
pre-up | up | down | reapply | dhcp4-change | dhcp6-change | vpn-up | vpn-down) ;;
*) exit 0 ;;
esac
case $CONNECTION_UUID in
'' | *[!0123456789abcdefABCDEF-]*) kept= ;;
*) kept=` + quote(s.path(tunnelsDir)+"/") + `"$CONNECTION_UUID" ;;
esac
[ -e "$kept" ] || [ -e ` + quote(s.path(keptDir, othersFile)) + ` ] || exit 0
[ -x ` + quote(h.exe) + ` ] || exit 0
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
unset DBUS_SYSTEM_BUS_ADDRESS
exec ` + quote(h.exe) + execArguments
}

const execArguments = ` hook -- "$1" "$2"` + "\n"

// quote quotes a word for the shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func isOurs(text string) bool { return strings.HasPrefix(text, hookMark) }

// parseScript reads a script of nmgre's, of this version or another.
func parseScript(text string) script {
	var h script
	for line := range strings.Lines(text) {
		if word, found := strings.CutSuffix(line, execArguments); found {
			h.exe = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(word, "exec '"), "'"), `'\''`, "'")
		}
		if rest, found := strings.CutPrefix(line, madeMark); found {
			h.made = madeFolders(strings.Fields(rest))
		}
	}
	return h
}

// madeFolders returns those of the named folders that InstallHook can have made, in the order in
// which it makes them.
func madeFolders(named []string) []string {
	var list []string
	dirs := []string{"etc", "etc/systemd", unitDir, networkManagerDir, dispatcherDir, preUpDir}
	for _, other := range firewallUnits {
		dirs = append(dirs, unitDir+"/"+other+".wants")
	}
	for _, dir := range dirs {
		if slices.Contains(named, dir) {
			list = append(list, dir)
		}
	}
	return list
}
