package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// Somebody has given two profiles the same route with a weight, by nmcli. Each place says that
// NetworkManager loses both when one tunnel goes down, and one command gives them to root's file.
// Then traffic goes by the other tunnel within a second, also after a restart of NetworkManager
// and after a reboot.
//
//lab:forky
//lab:alone
func TestLabWeightsAreMoved(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1, lab.Linux2)
	twoTunnels(t)
	nmgreOn(t, lab.Linux2, exitDone, "route", "add", "gre1", "10.10.1.0/24", "nexthop", "via", "172.16.0.1", "nexthop", "via", "172.16.1.1", "dev", "gre2")
	weighted := map[string]string{"gre1": "10.10.2.0/24 172.16.0.2 50 weight=2", "gre2": "10.10.2.0/24 172.16.1.2 50 weight=3"}
	for _, name := range []string{"gre1", "gre2"} {
		lab.Linux1.Run(t, "nmcli", "connection", "modify", name, "+ipv4.routes", weighted[name])
		lab.Linux1.Run(t, "nmcli", "connection", "up", name)
	}
	eventually(t, "NetworkManager joins the two", func() bool {
		return strings.Contains(lab.Linux1.Run(t, "ip", "route", "show", "10.10.2.0/24"), "nexthop")
	})
	settled(t, lab.Linux1)
	for _, name := range []string{"gre1", "gre2"} {
		hint := "nmgre route keep " + name
		if c := checkNamed(t, nmgreOn(t, lab.Linux1, exitDone, "verify", name, "--json").Stdout, "weights"); c.Status != "warn" || !strings.Contains(c.Hint, hint) {
			t.Errorf("verify says %+v", c)
		}
		for _, args := range [][]string{{"show", name}, {"route", "list", name}} {
			if out := nmgreOn(t, lab.Linux1, exitDone, args...).Stdout; !strings.Contains(out, "NetworkManager joins") || !strings.Contains(out, hint) {
				t.Errorf("%v says\n%s", args, out)
			}
		}
	}
	before := snapshot(t, lab.Linux1)
	var planned struct {
		Plan struct{ Tunnels []struct{ Tunnel string } }
	}
	if err := json.Unmarshal([]byte(nmgreOn(t, lab.Linux1, exitDone, "route", "keep", "gre1", "--dry-run", "--json").Stdout), &planned); err != nil || len(planned.Plan.Tunnels) != 2 {
		t.Errorf("the plan: %+v, %v", planned, err)
	}
	mustEqual(t, "after a dry run", before, snapshot(t, lab.Linux1))
	nmgreOn(t, lab.Linux1, exitDone, "route", "keep", "gre1")
	areKept(t)
	next, other := "gre1", "gre2"
	survives(t, []end{left}, []string{"gre1", "gre2"}, func(when string) {
		t.Helper()
		eventually(t, when+": the route goes by both", func() bool {
			return strings.Count(lab.Linux1.Run(t, "ip", "route", "show", "10.10.2.0/24"), "nexthop via") == 2
		})
		areKept(t)
		eventually(t, when+": verify says pass", func() bool {
			return strings.Contains(lab.Linux1.Try("nmgre", "verify", "gre1").Stdout, "verdict: pass")
		})
		takesOver(t, when, next)
		next, other = other, next
	})
	nmgreOn(t, lab.Linux1, exitDone, "route", "keep", "gre1")
}

// areKept checks that root keeps the route: no profile has it, and the kernel has it as nmgre's.
func areKept(t *testing.T) {
	t.Helper()
	for _, name := range []string{"gre1", "gre2"} {
		if held := lab.Linux1.Run(t, "nmcli", "-g", "ipv4.routes", "connection", "show", name); strings.Contains(held, "10.10.2.0") {
			t.Errorf("the profile of %s still has it: %s", name, held)
		}
	}
	routes := lab.Linux1.Run(t, "ip", "route", "show", "10.10.2.0/24")
	if strings.Count(routes, "10.10.2.0/24") != 1 || !strings.Contains(routes, "proto 213") || !strings.Contains(routes, "via 172.16.0.2 dev gre1 weight 2") || !strings.Contains(routes, "via 172.16.1.2 dev gre2 weight 3") {
		t.Errorf("ip says\n%s", routes)
	}
}

// takesOver takes one of the two tunnels down. The hosts behind must reach each other within a
// second. On a busy machine something else may take that second, so that it is tried up to three
// times.
func takesOver(t *testing.T, when, name string) {
	t.Helper()
	const most = 3
	for i := 1; ; i++ {
		routes := withoutTunnel(t, name)
		if routes == "" {
			return
		}
		t.Logf("%s, try %d: a second after %s went down lan1 does not reach lan2:\n%s", when, i, name, routes)
		if i == most {
			t.Errorf("%s: %d times it took more than a second", when, most)
			return
		}
	}
}

// withoutTunnel takes a tunnel down and up again, first at the far end, which then answers by the
// other one. It returns the routes of linux1 if the hosts behind do not reach each other a second
// later.
func withoutTunnel(t *testing.T, name string) (routes string) {
	t.Helper()
	lab.Linux2.Run(t, "nmcli", "connection", "down", name)
	eventually(t, "the far end answers by the other one", func() bool {
		own := ownRoutes(t, lab.Linux2)
		return strings.Contains(own, "10.10.1.0/24") && !strings.Contains(own, "dev "+name)
	})
	lab.Linux1.Run(t, "nmcli", "connection", "down", name)
	for down := time.Now(); routes == "" && !pingsOnce(lab.LAN1, lab.LAN2Addr); {
		if time.Since(down) > time.Second {
			routes = lab.Linux1.Run(t, "ip", "route")
		}
	}
	lab.Linux1.Run(t, "nmcli", "connection", "up", name)
	lab.Linux2.Run(t, "nmcli", "connection", "up", name)
	eventually(t, "both hosts use both again", func() bool {
		return strings.Count(ownRoutes(t, lab.Linux1), "nexthop via") == 2 && strings.Count(ownRoutes(t, lab.Linux2), "nexthop via") == 2
	})
	return routes
}

// pingsOnce sends one echo request, and waits a fifth of a second for the answer.
func pingsOnce(from lab.Host, to string) bool {
	return from.Try("ping", "-c", "1", "-W", "0.2", to).Code == 0
}
