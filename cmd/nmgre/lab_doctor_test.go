package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nmgre/nm/doctor"
	"nmgre/testdata/lab"
)

// doctorSays runs doctor on linux1, as root or as ann, and returns the report. The text must be of
// the same findings.
func doctorSays(t *testing.T, when string, code int, as ...int) doctor.Report {
	t.Helper()
	try := lab.Linux1.Try
	if len(as) > 0 {
		try = func(name string, args ...string) lab.Result { return lab.Linux1.TryAs(as[0], name, args...) }
	}
	r := try(installed, "doctor", "--json")
	var report doctor.Report
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("%s: %v\n%s", when, err, r)
	}
	text := try(installed, "doctor")
	t.Logf("%s:\n%s", when, text.Stdout)
	if r.Code != code || text.Code != code {
		t.Errorf("%s: exit %d and %d, want %d\n%s", when, r.Code, text.Code, code, text.Stdout)
	}
	for _, secret := range []string{"100.0.1.100", "100.0.2.100", "172.16.0.1", "linux1", "customers", "Wired"} {
		if strings.Contains(r.Stdout+text.Stdout, secret) {
			t.Errorf("%s: %s is in the report\n%s", when, secret, r.Stdout)
		}
	}
	return report
}

// mustFind looks for a finding with a status that says so.
func mustFind(t *testing.T, when string, r doctor.Report, about doctor.Subject, status doctor.Status, says string) {
	t.Helper()
	var all []string
	for _, f := range r.Findings {
		if f.ID == about && f.Status == status && strings.Contains(f.Summary, says) {
			return
		}
		all = append(all, fmt.Sprintf("%+v", f))
	}
	t.Errorf("%s: no %s about %s that says %q:\n%s", when, status, about, says, strings.Join(all, "\n"))
}

// doctor's report on a real host: all is well, as root and as ann; then one thing after the other
// is not. And nmgre's own words where it can show no screens.
func TestLabDoctor(t *testing.T) {
	h := annsHost(t)
	h.Run(t, installed, "install-hook")
	h.Run(t, installed, annsCreate("--route", secondHop)...)
	r := doctorSays(t, "all is well", exitDone)
	for about, says := range map[doctor.Subject]string{
		doctor.OfGRE: "ip_gre loaded", doctor.OfNAT: "nf_tables", doctor.OfManager: "1.", doctor.OfRights: "root", doctor.OfHook: "installed", doctor.OfDispatcher: "there",
		doctor.OfPolkit: "for this program", doctor.OfOuter: "1 pair of ends", doctor.OfTunnels: "1: 1 active", doctor.OfKept: "1 file, and each fits",
	} {
		mustFind(t, "all is well", r, about, doctor.OK, says)
	}
	r = doctorSays(t, "as ann", exitDone, ann)
	mustFind(t, "as ann", r, doctor.OfOuter, doctor.Note, "only root")
	mustFind(t, "as ann", r, doctor.OfHook, doctor.OK, "installed")

	h.Run(t, "nft", "add table inet customers; add chain inet customers in { type filter hook input priority 0; }; add rule inet customers in ip protocol gre drop")
	mustFind(t, "a firewall", doctorSays(t, "a firewall", exitFault), doctor.OfOuter, doctor.Problem, "nftables drops GRE that comes in (hook input) of 1 tunnel")
	h.Run(t, "nft", "delete", "table", "inet", "customers")

	h.Run(t, "chmod", "a-x", "/etc/NetworkManager/dispatcher.d/50-nmgre")
	mustFind(t, "a hook that is no program", doctorSays(t, "a hook that is no program", exitFault), doctor.OfHook, doctor.Problem, "executable")
	h.Run(t, installed, "remove-hook")
	mustFind(t, "no hook", doctorSays(t, "no hook", exitFault), doctor.OfHook, doctor.Problem, "does not return by itself")
	h.Run(t, installed, "install-hook")

	h.Run(t, "ip", "tunnel", "add", "customers1", "mode", "gre", "local", "100.0.1.100", "remote", "100.0.2.77")
	mustFind(t, "a link by hand", doctorSays(t, "a link by hand", exitDone), doctor.OfLinks, doctor.Note, "1 GRE link was made by hand")
	h.Run(t, "ip", "tunnel", "del", "customers1")

	t.Run("screens", func(t *testing.T) { labFirstScreens(t, h) })
	t.Run("no modules", func(t *testing.T) { labNoModules(t, h) })

	h.StopNM(t)
	mustFind(t, "stopped", doctorSays(t, "stopped", exitFault), doctor.OfManager, doctor.Problem, "NetworkManager is not running")
	s := sit(t, h, 20, 24, installed)
	s.wait("ended 5")
	if said := strings.Join(strings.Fields(s.screen()), ""); !strings.Contains(said, "NetworkManagerisnotrunning") || !strings.Contains(said, "nmgredoctor") {
		t.Errorf("stopped:\n%s", s.screen())
	}
	h.StartNM(t)
}

// labFirstScreens looks at nmgre alone in a narrow window, on a terminal that cannot draw, and
// without a terminal.
func labFirstScreens(t *testing.T, h lab.Host) {
	s := sit(t, h, 20, 24, installed)
	s.wait("nmgre: this window", "nmgre --plain")
	t.Logf("20 columns:\n%s", s.screen())
	s.tmux("resize-window", "-x", "80", "-y", "24")
	s.wait("gre1", "active")
	s.press("C-c")
	s.wait("ended 0")
	s = sit(t, h, 80, 24, "TERM=dumb "+installed)
	s.wait("cannot draw screens", "What now?")
	t.Logf("TERM=dumb:\n%s", s.screen())
	s.write("quit")
	s.press("Enter")
	s.wait("ended 0")
	r := h.Try("sh", "-c", installed+" </dev/null | cat; echo \"${PIPESTATUS}\"")
	if !strings.Contains(r.Stderr, "no terminal") || !strings.Contains(r.Stderr, "nmgre doctor") || strings.Count(r.Stderr, "\n") > 20 {
		t.Errorf("a pipe: %s", r)
	}
}

// labNoModules looks at a container that sees neither modules nor a device of GRE's.
func labNoModules(t *testing.T, h lab.Host) {
	needOwnKernel(t)
	outside(t, "echo 2 >/proc/sys/net/core/fb_tunnels_only_for_init_net")
	defer outside(t, "echo 0 >/proc/sys/net/core/fb_tunnels_only_for_init_net")
	const inside = `mount -t tmpfs none /sys/module; mount -t tmpfs none "/lib/modules"; mount -t tmpfs none /run/systemd 2>/dev/null || { mkdir -p /run/systemd; mount -t tmpfs none /run/systemd; }; echo docker >/run/systemd/container; `
	r := h.Try("unshare", "-m", "-n", "sh", "-c", inside+installed+" doctor")
	t.Logf("a container:\n%s", r.Stdout)
	said := strings.Join(strings.Fields(r.Stdout), " ")
	for _, says := range []string{"problem gre ", "this kernel makes no GRE tunnels", "load it on the host of this container: sudo modprobe ip_gre", "this is a container (docker)"} {
		if !strings.Contains(said, says) || r.Code != exitFault {
			t.Errorf("a container: exit %d, it does not say %q\n%s", r.Code, says, r)
		}
	}
	s := sit(t, h, 80, 24, "unshare -m -n sh -c '"+inside+installed+"; echo code $?'")
	s.wait("code 1")
	if said := strings.Join(strings.Fields(s.screen()), " "); !strings.Contains(said, "no tunnels of mode gre") || !strings.Contains(said, "container (docker)") || !strings.Contains(said, "nmgre doctor") {
		t.Errorf("a container:\n%s", s.screen())
	}
}
