package lab

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const tunnelNet = "10.255.0."

func addTunnel(t *testing.T, h Host, n, other string, lan string) {
	t.Helper()
	h.Run(t, "nmcli", "connection", "add", "type", "ip-tunnel", "con-name", "gre1", "ifname", "gre1",
		"mode", "gre", "local", "100.0."+n+".100", "remote", "100.0."+other+".100",
		"ipv4.method", "manual", "ipv4.addresses", tunnelNet+n+"/30", "ipv4.routes", lan, "ipv6.method", "disabled")
}

func addTunnels(t *testing.T) {
	t.Helper()
	addTunnel(t, Linux1, "1", "2", LAN2Net)
	addTunnel(t, Linux2, "2", "1", LAN1Net)
	for _, h := range []Host{Linux1, Linux2} {
		h.Run(t, "nmcli", "connection", "up", "gre1")
	}
}

func TestLabTunnel(t *testing.T) {
	Need(t)
	if Ping(t, LAN1, LAN2Addr) {
		t.Fatal("the LANs reach each other without a tunnel")
	}
	addTunnels(t)
	if !Ping(t, LAN1, LAN2Addr) {
		t.Fatal("the LANs do not reach each other")
	}
	Linux1.StopNM(t)
	Linux1.StartNM(t)
	if !Ping(t, LAN1, LAN2Addr) {
		t.Fatal("the tunnel did not outlive a restart of NetworkManager")
	}
	Linux1.Reboot(t)
	if !Ping(t, LAN1, LAN2Addr) {
		t.Fatal("the tunnel did not outlive a reboot")
	}
}

// More hosts come and go: they reach each other, and are reset like the first two.
func TestLabMore(t *testing.T) {
	Need(t)
	t.Run("there", func(t *testing.T) {
		More(t, 4)
		for _, to := range []string{WAN(1), WAN(3), WAN(4), "2001:db8:3::100"} {
			if !Ping(t, Linux(4), to) {
				t.Errorf("linux4 does not reach %s", to)
			}
		}
		if !Ping(t, Linux(3), LANAddr(3)) {
			t.Error("linux3 does not reach lan3")
		}
		before := Linux(3).Snapshot(t)
		Linux(3).Run(t, "nmcli", "connection", "add", "type", "dummy", "con-name", "extra", "ifname", "extra")
		Linux(3).Reset(t)
		if after := Linux(3).Snapshot(t); after != before {
			t.Errorf("the reset leaves\n%s", diff(before, after))
		}
		Router.Reboot(t)
		if !Ping(t, Linux(4), WAN(1)) {
			t.Error("the router does not know linux4 any more")
		}
	})
	if r := run(exec.Command(hostsScript, "in", "linux4", "true")); r.Code == 0 {
		t.Error("linux4 is still there")
	}
	if links := Router.Run(t, "ip", "-br", "link", "show"); strings.Contains(links, "eth3") {
		t.Errorf("the router still has its links:\n%s", links)
	}
}

func TestLabReset(t *testing.T) {
	Need(t)
	before := Linux1.Snapshot(t)
	if again := Linux1.Snapshot(t); again != before {
		t.Fatalf("two snapshots differ:\n%s", diff(before, again))
	}
	addTunnel(t, Linux1, "1", "2", LAN2Net)
	Linux1.Run(t, "nmcli", "connection", "up", "gre1")
	Linux1.Run(t, "ip", "route", "add", "192.0.2.0/24", "via", "100.0.1.1", "table", "77")
	Linux1.Run(t, "ip", "-6", "route", "add", "2001:db8:9::/64", "via", "2001:db8:1::1")
	Linux1.Run(t, "ip", "rule", "add", "from", "192.0.2.1", "table", "77")
	Linux1.Run(t, "ip", "route", "del", "default")
	Linux1.Run(t, "ip", "link", "add", "dummy7", "type", "dummy")
	Linux1.Run(t, "sysctl", "-q", "-w", "net.ipv4.conf.eth0.rp_filter=2", "net.ipv4.ip_forward=0")
	Linux1.Run(t, "nft", "add", "table", "inet", "nmgre")
	Linux1.Run(t, "mkdir", "-p", "/etc/nmgre", "/usr/lib/nmgre")
	Linux1.Run(t, "cp", "/etc/hostname", "/etc/nmgre/x")
	Linux1.Run(t, "cp", "/bin/true", "/etc/NetworkManager/dispatcher.d/90-x")
	Linux1.Run(t, "nmcli", "connection", "modify", "lan", "ipv4.dns-search", "x.test")
	if Linux1.Snapshot(t) == before {
		t.Fatal("the snapshot does not show the changes")
	}
	began := time.Now()
	Linux1.Reset(t)
	t.Logf("reset after changes: %v", time.Since(began))
	if after := Linux1.Snapshot(t); after != before {
		t.Fatalf("reset left something:\n%s", diff(before, after))
	}
	began = time.Now()
	Linux1.Reset(t)
	t.Logf("reset with nothing to do: %v", time.Since(began))
}

func TestLabStrangers(t *testing.T) {
	Need(t)
	before := Linux1.Snapshot(t)
	r := Linux1.TryAs(1000, "nmcli", "connection", "add", "type", "dummy", "con-name", "d0", "ifname", "d0")
	if r.Code == 0 || !strings.Contains(r.Stderr, "privileges") {
		t.Fatalf("an unprivileged user was not refused: %s", r)
	}
	if after := Linux1.Snapshot(t); after != before {
		t.Fatalf("a refused request changed something:\n%s", diff(before, after))
	}
}

func TestLabDispatcher(t *testing.T) {
	Need(t)
	script := "#!/bin/sh\necho \"$1 $2\" >>/run/seen\n"
	if r := Linux1.TryInput(script, "dd", "status=none", "of=/etc/NetworkManager/dispatcher.d/50-seen"); r.Code != 0 {
		t.Fatal(r)
	}
	Linux1.Run(t, "chmod", "755", "/etc/NetworkManager/dispatcher.d/50-seen")
	addTunnel(t, Linux1, "1", "2", LAN2Net)
	Linux1.Run(t, "nmcli", "connection", "up", "gre1")
	for range 50 {
		if strings.Contains(Linux1.Try("cat", "/run/seen").Stdout, "gre1 up") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the dispatcher did not run the script")
}

func TestLabNAT(t *testing.T) {
	Need(t)
	rules := "table ip lab { chain post { type nat hook postrouting priority 100; oifname eth0 masquerade\n }\n}\n"
	if r := Linux1.TryInput(rules, "nft", "-f", "-"); r.Code != 0 {
		t.Fatal(r)
	}
	capture := Linux2.Start(t, "tcpdump", "-n", "-l", "-i", "eth0", "-c", "1", "icmp")
	for range 50 {
		if strings.Contains(capture.Stderr(), "listening") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	Ping(t, LAN1, Linux2WAN)
	if r := capture.Wait(t); !strings.Contains(r.Stdout, Linux1WAN+" >") {
		t.Fatalf("no translated packet: %s", r)
	}
}

func TestLabSignals(t *testing.T) {
	Need(t)
	p := Linux1.Start(t, "sleep", "100")
	time.Sleep(300 * time.Millisecond)
	if name := strings.TrimSpace(Linux1.Run(t, "cat", "/proc/"+strconv.Itoa(p.Pid())+"/comm")); name != "sleep" {
		t.Fatalf("the process is %q, not the command itself", name)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := p.Wait(t); r.Code != 128+15 {
		t.Fatalf("exit status %d", r.Code)
	}
}

func TestLabKilledNetworkManager(t *testing.T) {
	Need(t)
	old := Linux2.NMPid()
	Linux2.KillNM(t)
	if r := Linux2.Try("nmcli", "-t", "general"); r.Code == 0 {
		t.Fatal("NetworkManager still answers")
	}
	Linux2.Reset(t)
	if Linux2.NMPid() == old || Linux2.NMPid() == 0 {
		t.Fatal("NetworkManager was not started again")
	}
}

// diff shows the lines that only one of two texts has.
func diff(a, b string) string {
	var out strings.Builder
	count := map[string]int{}
	for _, l := range strings.Split(a, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(b, "\n") {
		count[l]--
	}
	for l, n := range count {
		switch {
		case n > 0:
			out.WriteString("- " + l + "\n")
		case n < 0:
			out.WriteString("+ " + l + "\n")
		}
	}
	return out.String()
}
