package main

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// routingDir is where a host's routing daemons have their sockets and files.
const routingDir = "/run/nmgre-frr"

// startRouting starts FRR's daemons on a host, from Debian's package as it lies in /share. They
// live in a mount namespace of their own, with the files that the package would have installed.
func startRouting(t *testing.T, host lab.Host) {
	t.Helper()
	host.Run(t, "mkdir", "-p", routingDir)
	t.Cleanup(func() { host.Run(t, "rm", "-rf", routingDir) })
	write(t, host, routingDir+"/empty.conf", "log file "+routingDir+"/log\n")
	write(t, host, routingDir+"/start", `#!/bin/bash
		. /etc/os-release
		frr=/share/packages/$VERSION_CODENAME/frr
		lib=$(echo $frr/usr/lib/*-linux-gnu)
		cp /etc/group group; echo frrvty:x:999:root >>group
		mount --bind group /etc/group
		mkdir -p var; mount --bind var /var/lib
		[[ ! -d $frr/usr/share/yang ]] || { mkdir -p yang; mount --bind $frr/usr/share /usr/share; }
		export LD_LIBRARY_PATH=$lib:$lib/frr:$(echo $frr/lib/*-linux-gnu)
		program=$1
		shift
		# FRR before 10 has a socket of its own for what controls BFD
		[[ $program != bfdd ]] || ! $frr/usr/lib/frr/bfdd --help | grep -q bfdctl || set -- "$@" --bfdctl ./bfdd.sock
		exec $frr/usr/lib/frr/$program -u root -g root --vty_socket . -z ./zserv.api -i ./$program.pid "$@"
		`)
	for _, daemon := range [][]string{{"mgmtd"}, {"zebra", "-f", "empty.conf"}, {"bfdd", "-f", "empty.conf"}, {"ospfd", "-f", "/etc/frr/frr.conf"}} {
		if daemon[0] == "mgmtd" && host.Try("sh", "-c", ". /etc/os-release; test -e /share/packages/$VERSION_CODENAME/frr/usr/lib/frr/mgmtd").Code != 0 {
			continue // FRR before 9 has none
		}
		p := host.Start(t, "unshare", append([]string{"-m", "--propagation", "private", "sh", "-c", "cd " + routingDir + " && exec bash ./start \"$@\"", "start"}, daemon...)...)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s: %s says: %s%s", host, daemon[0], p.Stdout(), p.Stderr())
			}
			p.Kill()
		})
		if daemon[0] == "zebra" {
			eventually(t, "zebra listens", func() bool { return host.Try("test", "-S", routingDir+"/zserv.api").Code == 0 })
		}
	}
}

// ask asks one of the daemons, as vtysh does: after "enable", before which some commands are not
// known.
func ask(host lab.Host, daemon, command string) string {
	socket := filepath.Join("/proc", fmt.Sprint(host.Pid()), "root", routingDir, daemon+".vty")
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }() // it was only asked
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if answer, err := exchange(c, "enable"); err != nil {
		return answer + err.Error()
	}
	answer, _ := exchange(c, command) // the text before an error counts
	return answer
}

// exchange sends a command with a zero behind it, and reads the answer, which ends with three zeros
// and the outcome.
func exchange(c net.Conn, command string) (string, error) {
	if _, err := c.Write(append([]byte(command), 0)); err != nil {
		return "", err
	}
	var answer bytes.Buffer
	part := make([]byte, 4096)
	for {
		n, err := c.Read(part)
		answer.Write(part[:n])
		if b := answer.Bytes(); err != nil || len(b) >= 4 && bytes.Equal(b[len(b)-4:len(b)-1], []byte{0, 0, 0}) {
			return string(bytes.Trim(b[:max(len(b)-1, 0)], "\x00")), err
		}
	}
}

// OSPF with BFD runs over a tunnel as over any link: the neighbour is full, BFD is up, the far LAN
// is learnt, and all of it comes back with the tunnel.
//
//lab:every
//lab:recipes
//lab:package frr
func TestLabRecipeOSPF(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	installHook(t, lab.Linux2)
	// the package's own files; where it has a frr.conf, FRR reads no ospfd.conf
	const installed = `. /etc/os-release && cp -r "/share/packages/$VERSION_CODENAME/frr/etc/frr" /etc/ && test -e /etc/frr/frr.conf`
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		host.Run(t, "sh", "-c", installed)
		write(t, host, "/usr/local/bin/systemctl", "#!/bin/sh\n[ \"$*\" = 'restart frr' ]\n")
		host.Run(t, "chmod", "755", "/usr/local/bin/systemctl")
		t.Cleanup(func() { host.Run(t, "rm", "-rf", "/usr/local/bin/systemctl", "/etc/frr") })
	}
	readRecipe(t, "ospf-with-bfd").typed(t)
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		host.Run(t, "grep", "-q", "^ospfd=yes", "/etc/frr/daemons")
		host.Run(t, "grep", "-q", "^bfdd=yes", "/etc/frr/daemons")
	}
	startRouting(t, lab.Linux1)
	startRouting(t, lab.Linux2)
	t.Cleanup(func() {
		for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
			if t.Failed() {
				t.Logf("%s: %s\n%s\n%s", host, ask(host, "ospfd", "show ip ospf neighbor"), ask(host, "bfdd", "show bfd peers"), host.Try("sh", "-c", "tail -n 20 "+routingDir+"/*log").Stdout)
			}
		}
	})
	works := func(when string) {
		t.Helper()
		for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
			eventually(t, when+": the neighbour is full on "+string(host), func() bool {
				return strings.Contains(ask(host, "ospfd", "show ip ospf neighbor"), "Full/")
			})
			eventually(t, when+": BFD is up on "+string(host), func() bool {
				return strings.Contains(ask(host, "bfdd", "show bfd peers"), "Status: up")
			})
			mustHaveLink(t, when, host, "gre1", []string{"MULTICAST"}, nil)
		}
		eventually(t, when+": the far LAN is learnt", func() bool {
			return strings.Contains(lab.Linux1.Run(t, "ip", "route", "show", "proto", "ospf"), "10.10.2.0/24")
		})
		eventually(t, when+": a host of one LAN reaches one of the other", func() bool { return lab.Ping(t, lab.LAN1, lab.LAN2Addr) })
	}
	works("after create")
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		host.Run(t, "nmcli", "connection", "down", "gre1")
		host.Run(t, "nmcli", "connection", "up", "gre1")
	}
	works("after down and up by nmcli")
	// a TTL of the inner packets would not carry the hellos, which is said
	r := nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--ttl", "inherit", "--dry-run")
	if !strings.Contains(r.Stdout+r.Stderr, "what protocols send with TTL 1") {
		t.Errorf("nothing is said of hellos with TTL 1:\n%s", r)
	}
}

// Debian's babeld learns the network behind the far end, over the tunnel with the flag MULTICAST
// and the link-local addresses that create's note names, and does so again after down and up.
//
//lab:package babeld
func TestLabBabel(t *testing.T) {
	lab.Need(t)
	installHook(t, lab.Linux1)
	installHook(t, lab.Linux2)
	four := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--multicast", "--dry-run")
	if !strings.Contains(four.Stdout+four.Stderr, "babeld, RIPng, OSPFv3 and PIM over IPv6 need to begin: they get one by --address fe80::1/64") {
		t.Errorf("nothing is said of link-local addresses: %v", four)
	}
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--address", "fe80::1/64", "--multicast", "--no-probe")
	nmgreOn(t, lab.Linux2, exitDone, "create", "--peer", "100.0.1.100", "--address", "172.16.0.2/30", "--address", "fe80::2/64", "--multicast", "--no-probe")
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		unpacked(t, host, "babeld")
		write(t, host, "/run/babeld.conf", "interface gre1 type tunnel\nredistribute ip 10.10.0.0/16 le 24 allow\nredistribute local deny\n")
		p := host.Start(t, "babeld", "-c", "/run/babeld.conf", "-S", "/run/babeld.state", "-I", "/run/babeld.pid")
		t.Cleanup(func() {
			if p.Kill(); t.Failed() {
				t.Logf("%s: babeld says: %s%s", host, p.Stdout(), p.Stderr())
			}
			host.Run(t, "sh", "-c", "rm -f /run/babeld.*")
		})
	}
	for _, when := range []string{"after create", "after down and up by nmcli"} {
		for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
			if when != "after create" {
				host.Run(t, "nmcli", "connection", "down", "gre1")
				host.Run(t, "nmcli", "connection", "up", "gre1")
			}
		}
		eventually(t, when+": the far LAN is learnt", func() bool {
			return strings.Contains(lab.Linux1.Run(t, "ip", "route", "show", "proto", "babel"), "10.10.2.0/24 via 172.16.0.2 dev gre1")
		})
		eventually(t, when+": a host of one LAN reaches one of the other", func() bool { return lab.Ping(t, lab.LAN1, lab.LAN2Addr) })
	}
}
