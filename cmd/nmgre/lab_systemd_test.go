package main

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// The units under a real systemd: the first process of a PID namespace of linux1's.

//go:embed systemd/nmgre-follow.service.in
var followService string

//go:embed systemd/nmgre-follow.timer
var followTimer string

// beginSystemd makes units for the parts that the lab has by other means: its targets are empty,
// and the bus is there. systemd looks for units there and in /etc.
const beginSystemd = `mkdir -p /run/units/default.target.wants /etc/systemd/system
cd /run/units
for name in sysinit shutdown umount; do printf '[Unit]\nDefaultDependencies=no\n' >$name.target; done
for name in default basic timers sockets paths network network-pre network-online nss-lookup time-set time-sync; do printf '[Unit]\nDescription=%s\n' $name >$name.target; done
printf '[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/of-systemd\n' >dbus.socket
printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep infinity\n' >dbus.service
ln -sf ../dbus.socket ../dbus.service default.target.wants/
cp /lib/systemd/system/nftables.service .
cat >/run/begin-systemd <<'END'
#!/bin/sh
mount -t cgroup2 none /sys/fs/cgroup || exit 9
exec env -i PATH=$PATH container=lab SYSTEMD_UNIT_PATH=/run/units:/etc/systemd/system /lib/systemd/systemd --system --log-target=console --show-status=no
END
chmod +x /run/begin-systemd`

// running is a systemd on linux1. Its commands run in its PID namespace: others it does not answer.
type running struct{ first *lab.Process }

func (s running) command(words ...string) lab.Result {
	enter := fmt.Sprintf(`exec nsenter -t "$(pgrep -P %d)" -m -p -C -- "$@"`, s.first.Pid())
	return lab.Linux1.Try("sh", append([]string{"-c", enter, "enter"}, words...)...)
}

func (s running) systemctl(words ...string) lab.Result {
	return s.command(append([]string{"systemctl", "--no-pager"}, words...)...)
}

// must fails the test where systemctl fails.
func (s running) must(t *testing.T, words ...string) string {
	t.Helper()
	r := s.systemctl(words...)
	if r.Code != 0 {
		t.Fatalf("systemctl %s: %s", strings.Join(words, " "), r)
	}
	return r.Stdout
}

// startSystemd has a systemd on linux1, and on its bus, until the test ends.
func startSystemd(t *testing.T) running {
	t.Helper()
	lab.Linux1.Run(t, "sh", "-c", beginSystemd)
	first := lab.Linux1.Start(t, "unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private", "--mount-proc", "--cgroup", "/run/begin-systemd")
	s := running{first}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("systemd says: %s%s%s", first.Stdout(), first.Stderr(), s.systemctl("list-units", "--all"))
		}
		first.Kill()
		lab.Linux1.Try("sh", "-c", "rm -rf /run/units /run/systemd /run/begin-systemd /run/dbus/of-systemd; find /etc/systemd/system -name 'nmgre*' -delete")
	})
	eventually(t, "systemd has started", func() bool { return strings.Contains(s.systemctl("is-system-running").Stdout, "running") })
	eventually(t, "systemd is on the bus", func() bool {
		return lab.Linux1.Try("busctl", "--no-pager", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s", "org.freedesktop.systemd1").Code == 0
	})
	return s
}

// The rules return whenever nftables.service flushes them, and the timer moves a tunnel to where
// the name of its far end leads, with units as they are shipped. The timer waits less here.
//
//lab:sweep
func TestLabSystemd(t *testing.T) {
	lab.Need(t)
	systemd := startSystemd(t)
	needHook(t, lab.Linux1)
	// No firewall is active, so it is not either: it would not start with one. systemd answers
	// nobody while it reads its units.
	state := func(want string) {
		t.Helper()
		eventually(t, "nmgre-rules.service is "+want, func() bool {
			return strings.TrimSpace(systemd.systemctl("is-active", "nmgre-rules.service").Stdout) == want
		})
	}
	state("inactive")
	names(t, "100.0.2.100 gw.test")
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "gw.test", "--follow", "--address", "172.16.0.1/30", "--route", lab.LAN2Net, "--snat", lab.LAN1Net+"="+lab.Linux1LAN, "--forward")
	ours := func() string {
		return counters.ReplaceAllString(lab.Linux1.Try("nft", "list", "table", "ip", "nmgre").Stdout, "")
	}
	want := ours()
	if !strings.Contains(want, "snat to "+lab.Linux1LAN) {
		t.Fatalf("nmgre's rules are\n%s", want)
	}
	for _, verb := range []string{"start", "reload", "restart", "reload"} {
		systemd.must(t, verb, "nftables.service")
		eventually(t, "nmgre's rules are there after nftables.service's "+verb, func() bool { return ours() == want })
	}
	systemd.must(t, "stop", "nftables.service")
	state("inactive")
	systemd.must(t, "start", "nftables.service")
	eventually(t, "nmgre's rules are there after a stop and a start", func() bool { return ours() == want })

	const dir = "/etc/systemd/system/"
	write(t, lab.Linux1, dir+"nmgre-follow.service", strings.ReplaceAll(followService, "@nmgre@", "/usr/local/bin/nmgre"))
	write(t, lab.Linux1, dir+"nmgre-follow.timer", followTimer)
	for _, unit := range []string{"nmgre-follow.timer", "nmgre-follow.service", "nmgre-rules.service"} {
		r := systemd.command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", dir+unit)
		if said := strings.TrimSpace(r.Stdout + r.Stderr); r.Code != 0 || said != "" {
			t.Errorf("systemd-analyze verify %s: %s", unit, r)
		}
	}
	lab.Linux1.Run(t, "mkdir", "-p", dir+"nmgre-follow.timer.d")
	write(t, lab.Linux1, dir+"nmgre-follow.timer.d/soon.conf", "[Timer]\nOnBootSec=\nOnActiveSec=1\nOnUnitInactiveSec=3\nRandomizedDelaySec=0\nAccuracySec=1\n")
	systemd.must(t, "daemon-reload")
	if got := strings.TrimSpace(systemd.systemctl("is-enabled", "nmgre-follow.timer").Stdout); got != "disabled" {
		t.Errorf("as it is shipped, the timer is %s", got)
	}
	systemd.must(t, "enable", "--now", "nmgre-follow.timer")
	moveFarEnd(t)
	eventually(t, "the timer moves the tunnel", func() bool { return property(t, "ip-tunnel.remote") == "100.0.2.101" })
	eventually(t, "and ends well", func() bool {
		return strings.Contains(systemd.must(t, "show", "-p", "Result,ExecMainStatus,ActiveState", "nmgre-follow.service"), "Result=success\nExecMainStatus=0")
	})
	mustPing(t, lab.Linux1, "172.16.0.2")
	systemd.must(t, "disable", "--now", "nmgre-follow.timer")

	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	lab.Linux1.Run(t, "/usr/local/bin/nmgre", "remove-hook")
	if r := systemd.systemctl("show", "-p", "LoadState,ActiveState", "nmgre-rules.service"); !strings.Contains(r.Stdout, "LoadState=not-found") {
		t.Errorf("after remove-hook nmgre-rules.service is there: %s", r)
	}
	if left := strings.TrimSpace(lab.Linux1.Run(t, "find", dir, "-name", "nmgre-rules*")); left != "" {
		t.Errorf("remove-hook leaves %s", left)
	}
}
