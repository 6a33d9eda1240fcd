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
func startRouting(t *testing.T, host lab.Host, config string) {
	t.Helper()
	host.Run(t, "mkdir", "-p", routingDir)
	t.Cleanup(func() { host.Run(t, "rm", "-rf", routingDir) })
	write(t, host, routingDir+"/ospfd.conf", config)
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
		exec $frr/usr/lib/frr/$program -u root -g root --vty_socket . -z ./zserv.api -i ./$program.pid "$@"
		`)
	for _, daemon := range [][]string{{"mgmtd"}, {"zebra", "-f", "empty.conf"}, {"bfdd", "-f", "empty.conf", "--bfdctl", "./bfdd.sock"}, {"ospfd", "-f", "ospfd.conf"}} {
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

// ask asks one of the daemons, as vtysh does: the command with a zero behind it, and an answer that
// ends with three zeros and the outcome.
func ask(host lab.Host, daemon, command string) string {
	socket := filepath.Join("/proc", fmt.Sprint(host.Pid()), "root", routingDir, daemon+".vty")
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }() // it was only asked
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(append([]byte(command), 0)); err != nil {
		return err.Error()
	}
	var answer bytes.Buffer
	part := make([]byte, 4096)
	for {
		n, err := c.Read(part)
		answer.Write(part[:n])
		if b := answer.Bytes(); err != nil || len(b) >= 4 && bytes.Equal(b[len(b)-4:len(b)-1], []byte{0, 0, 0}) {
			return string(bytes.Trim(b, "\x00"))
		}
	}
}

// ospfConfig has a host's daemon announce its LAN over the tunnel.
func ospfConfig(router string) string {
	return `log file ` + routingDir + `/ospfd.log
interface gre2
 ip ospf network point-to-point
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
!
interface eth1
 ip ospf area 0
 ip ospf passive
!
router ospf
 ospf router-id ` + router + `
!
`
}

// OSPF runs over a tunnel as over any link: the neighbour is full.
//
//lab:recipes
//lab:package frr
func TestLabRecipeOSPF(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	installHook(t, lab.Linux2)
	onBoth(t, "create --name gre2 --peer {peer} --address {near}/30 --multicast")
	startRouting(t, lab.Linux1, ospfConfig("10.0.0.1"))
	startRouting(t, lab.Linux2, ospfConfig("10.0.0.2"))
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		mustHaveLink(t, "with OSPF", host, "gre2", []string{"MULTICAST"}, nil)
	}
	eventually(t, "the neighbour is full on linux1", func() bool {
		return strings.Contains(ask(lab.Linux1, "ospfd", "show ip ospf neighbor"), "Full/")
	})
}
