package ssh

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"runtime"
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// line is the command line for the far shell, and the program that is sent to it first.
func (o Options) line() (program []byte, line string, err error) {
	if o.Copy == "" {
		return nil, o.start(fault.ShellWord(cmp.Or(o.Program, "nmgre"))), nil
	}
	if program, err = os.ReadFile(o.Copy); err != nil {
		return nil, "", &fault.Error{What: "this program cannot be read: " + fault.Printable(err.Error())}
	}
	script := strings.Join([]string{"umask 077", machine(runtime.GOARCH), folder(len(program)), receive(program), o.start(`"$d/nmgre"`) + " " + Copied}, "; ")
	return program, "sh -c '" + strings.ReplaceAll(script, "'", `'\''`) + "'", nil // whatever the login shell is
}

// start is the command that starts the program. Its messages are in English, by which they are told
// apart.
func (o Options) start(program string) string {
	if o.Become {
		return "env LC_ALL=C sudo -n -- " + program + " " + Command
	}
	return "env LC_ALL=C " + program + " " + Command
}

// The lines of the script that say why a copy cannot run.
const (
	otherMachine = "nmgre: a program for "
	noFolder     = "nmgre: there is no folder for a program"
	otherSum     = "nmgre: the copy has another checksum"
)

// machines are the names that uname -m has for the machines which run a program of a GOARCH, as
// patterns of the shell.
var machines = map[string]string{"amd64": "x86_64|amd64", "386": "i?86|x86_64|amd64", "arm64": "aarch64|arm64", "arm": "armv[6789]*|aarch64|arm64",
	"ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}

// machine lets the script end on a machine that does not run this program, before it is sent.
func machine(arch string) string {
	names := cmp.Or(machines[arch], "*")
	return `case "$(uname -s) $(uname -m)" in ` + "Linux\\ " + strings.ReplaceAll(names, "|", "|Linux\\ ") + `) ;; *) echo "` + otherMachine + "Linux " + arch + ` does not run on $(uname -s) $(uname -m)" >&2; exit 126;; esac`
}

// folder makes a folder $d of the caller's alone, where a program of that size has room and may be
// run: /tmp is often mounted noexec. It is removed when the script ends. dash does not do so at the
// end by a signal, and so the signals are ends, too.
func folder(size int) string {
	return `for t in /tmp /var/tmp /dev/shm "$HOME"; do ` +
		`a=$(df -Pk "$t" 2>/dev/null | { read -r x; read -r x x x a x; echo "$a"; }); [ "${a:-999999999}" -gt ` + strconv.Itoa(size/1024+1) + ` ] || continue; ` +
		`d=$(mktemp -d "$t/nmgre.XXXXXXXX" 2>/dev/null) || continue; ` +
		`trap 'rm -rf -- "$d"' EXIT; trap 'exit 143' TERM INT; trap '' HUP PIPE; ` +
		`printf '#!/bin/sh\n' > "$d/nmgre" && chmod 700 "$d/nmgre" && "$d/nmgre" 2>/dev/null && break; ` +
		`rm -rf -- "$d"; d=; done; ` +
		`[ "$d" ] || { echo "` + noFolder + `: /tmp, /var/tmp, /dev/shm and $HOME are full, or forbid it" >&2; exit 126; }`
}

// receive reads the program into the folder, and compares it with its checksum.
func receive(program []byte) string {
	sum := sha256.Sum256(program)
	return "head -c " + strconv.Itoa(len(program)) + ` > "$d/nmgre"; ` +
		"echo '" + hex.EncodeToString(sum[:]) + `  '"$d/nmgre" | sha256sum -c --status || { echo '` + otherSum + `' >&2; exit 126; }`
}
