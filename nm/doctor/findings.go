package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Status says how bad a finding is.
type Status string

// The statuses, from the best to the worst. A note is something to know, which need not be mended.
const (
	OK      Status = "ok"
	Note    Status = "note"
	Problem Status = "problem"
)

// Finding is the judgement on a fact, with the remedy.
type Finding struct {
	ID      Subject `json:"id"`
	Status  Status  `json:"status"`
	Summary string  `json:"summary"`
	Hint    string  `json:"hint,omitempty"`
}

// Report is everything about a host.
type Report struct {
	Verdict  Status    `json:"verdict"` // the worst status of the findings
	Findings []Finding `json:"findings"`
	Facts    Facts     `json:"facts"`
}

// Count returns how many findings have the status.
func (r Report) Count(s Status) (n int) {
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// Diagnose judges the facts. A subject that could not be read has a finding that says so.
func Diagnose(f Facts) Report {
	r := Report{Verdict: OK, Facts: f}
	for _, judge := range []struct {
		about Subject
		of    func(*Facts) []Finding
	}{
		{OfNmgre, ofNmgre}, {OfSystem, ofSystem}, {OfContainer, ofContainer}, {OfGRE, ofGRE}, {OfNAT, ofNAT}, {OfManager, ofManager},
		{OfRights, ofRights}, {OfHook, ofHook}, {OfDispatcher, ofDispatcher}, {OfUnit, ofUnit}, {OfPolkit, ofPolkit},
		{OfFirewall, ofFirewall}, {OfOuter, ofOuter}, {OfForwarding, ofForwarding}, {OfFilter, ofFilter}, {OfOthers, ofOthers},
		{OfTunnels, ofTunnels}, {OfLinks, ofLinks}, {OfKept, ofKept}, {OfTerminal, ofTerminal},
	} {
		found := judge.of
		if why := f.Unread[judge.about]; why != "" {
			found = func(*Facts) []Finding { return []Finding{unread(judge.about, why, f.Caller.Root)} }
		}
		for _, one := range found(&f) {
			one.ID = judge.about
			r.Findings = append(r.Findings, one)
		}
	}
	for _, s := range []Status{Note, Problem} {
		if r.Count(s) > 0 {
			r.Verdict = s
		}
	}
	return r
}

// unread is the finding about a subject that could not be read.
func unread(about Subject, why string, root bool) Finding {
	switch {
	case why == Slow && about == OfManager:
		return problem("NetworkManager does not answer", "look what it does: journalctl -u NetworkManager -n 50; if it hangs: sudo systemctl restart NetworkManager")
	case why == Slow && about == OfRights:
		return note("polkit did not answer in time: what this user may do is not known", "if changes hang as well: sudo systemctl restart polkit")
	case why == Slow:
		return problem("it could not be found out in time", "run nmgre doctor again; if it stays so, say so in the bug report")
	case why == Refused && !root:
		return note("only root can read it", "to know it as well: sudo nmgre doctor")
	}
	if why == Refused {
		return note("it takes CAP_NET_ADMIN to read it", capabilityHint)
	}
	if about == OfTunnels {
		return note("without NetworkManager they are not known", "see networkmanager above")
	}
	return note("it could not be read here", "")
}

func ok(format string, args ...any) Finding {
	return Finding{Status: OK, Summary: fmt.Sprintf(format, args...)}
}
func note(summary, hint string) Finding { return Finding{Status: Note, Summary: summary, Hint: hint} }
func problem(summary, hint string) Finding {
	return Finding{Status: Problem, Summary: summary, Hint: hint}
}

func one(f Finding) []Finding { return []Finding{f} }

func ofNmgre(f *Facts) []Finding {
	p := f.Nmgre
	text := p.Version + " (" + p.Go
	if p.Commit != "" {
		text += ", commit " + p.Commit[:min(len(p.Commit), 12)]
	}
	if p.Modified {
		text += " with changes"
	}
	return one(ok("%s)", text))
}

func ofSystem(f *Facts) []Finding {
	name := strings.TrimSpace(f.System.ID + " " + f.System.Version)
	if name == "" {
		name = "an unknown distribution"
	}
	return one(ok("%s, Linux %s, %s", name, f.System.Kernel, f.System.Arch))
}

func ofContainer(f *Facts) []Finding {
	switch {
	case f.System.Container == "unknown":
		return one(note("this is a container", containerHint))
	case f.System.Container != "":
		return one(note("this is a container ("+f.System.Container+")", containerHint))
	case f.System.UserNamespace:
		return one(note("this is a user namespace of its own: its root may not change the host", containerHint))
	}
	return one(ok("none: this is a host of its own"))
}

// InUse is the state of a module that no file tells of, though the kernel does its work.
const InUse = "in use"

// has reports whether a module is there or comes when it is needed.
func (f *Facts) has(module string) bool {
	return slices.Contains([]string{"loaded", "built in", "loadable", InUse}, f.Modules[module])
}

// module names a module with its state.
func (f *Facts) module(name string) string {
	if state := f.Modules[name]; state != "no folder" {
		return name + " " + state
	}
	return name + " not found"
}

func ofGRE(f *Facts) []Finding {
	states := f.module("ip_gre") + ", " + f.module("ip6_gre")
	switch v4, v6 := f.has("ip_gre"), f.has("ip6_gre"); {
	case v4 && v6:
		return one(ok("%s", states))
	case v4:
		return one(note(states+": no tunnels over IPv6", moduleHint(f, "ip6_gre")))
	case v6:
		return one(problem(states+": no tunnels over IPv4", moduleHint(f, "ip_gre")))
	}
	return one(problem(states+": this kernel makes no GRE tunnels", moduleHint(f, "ip_gre")))
}

// moduleHint says how a module comes to be there.
func moduleHint(f *Facts, module string) string {
	switch {
	case f.Modules[module] == "forbidden":
		return "let it be loaded at boot: put " + module + " into a file in /etc/modules-load.d, and boot again"
	case f.System.Container != "" || f.System.UserNamespace:
		return "load it on the host of this container: sudo modprobe " + module
	case f.Modules[module] == "no folder":
		return "boot again, if the kernel was updated since the last boot"
	}
	return "install the rest of the kernel's modules (Fedora, RHEL: kernel-modules-extra; Ubuntu: linux-modules-extra-...), or boot the distribution's standard kernel"
}

func ofNAT(f *Facts) []Finding {
	var lacks, have []string
	unknown := 0
	for _, module := range []string{"nf_tables", "nf_nat", "nft_chain_nat"} {
		if have = append(have, f.module(module)); !f.has(module) {
			lacks = append(lacks, module)
		}
		if f.Modules[module] == "no folder" {
			unknown++
		}
	}
	text := strings.Join(have, ", ")
	switch {
	case len(lacks) == 0, f.Modules["nf_tables"] == "built in" && len(lacks) == 1 && lacks[0] == "nft_chain_nat": // a part of nf_tables then
		return one(ok("%s", text))
	case unknown == len(lacks):
		return one(note(text+": whether --snat works here shows when it is set", moduleHint(f, lacks[0])))
	}
	return one(note(text+": no --snat and no --clamp-mss here", moduleHint(f, lacks[0])))
}
