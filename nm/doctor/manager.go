package doctor

import "fmt"

// InstallManager is the hint to a host without NetworkManager.
const InstallManager = "install it: sudo apt install network-manager, or sudo dnf install NetworkManager; see first how it takes over the devices that others manage"

func ofManager(f *Facts) []Finding {
	m := f.Manager
	switch {
	case m.State == Runs && m.Old:
		return one(problem("NetworkManager "+m.Version+" is too old: nmgre needs 1.42 or later", "update the distribution, or take NetworkManager from its backports"))
	case m.State == Runs && m.Version == "":
		return one(ok("it runs; its version did not come in time"))
	case m.State == Runs:
		return one(ok("%s%s", m.Version, unitText(f, "NetworkManager.service")))
	case m.State == Silent:
		return one(unread(OfManager, Slow, f.Caller.Root))
	case m.State == Starting:
		return one(problem("NetworkManager is still starting", "try again in a moment"))
	case m.State == BusSilent:
		return one(problem("the system bus does not answer, and so nobody can ask NetworkManager",
			"look what it does: journalctl -u dbus -n 50; if it hangs, boot again: to restart the bus alone would end sessions and services"))
	case m.State == NoBus && m.BusSet:
		return one(problem("DBUS_SYSTEM_BUS_ADDRESS is set, and there is no bus at that address", "unset it: unset DBUS_SYSTEM_BUS_ADDRESS; or start the bus that it names"))
	case !m.Installed && f.System.Container != "":
		return one(problem("NetworkManager is not installed in this container", containerHint))
	case !m.Installed:
		return one(problem("NetworkManager is not installed", InstallManager))
	case m.State == NoBus:
		return one(problem("there is no system bus", "start it: sudo systemctl start dbus; then: sudo systemctl start NetworkManager"))
	case f.Units["NetworkManager.service"].Load == "masked":
		return one(problem("NetworkManager is masked, and does not run", "sudo systemctl unmask NetworkManager; sudo systemctl enable --now NetworkManager"))
	}
	return one(problem("NetworkManager is not running", "start it: sudo systemctl enable --now NetworkManager; why it does not run: journalctl -u NetworkManager -n 50"))
}

// capabilityHint is for root in a container that may not do all that root may.
const capabilityHint = "in a container, give it the capability, or run nmgre on the host"

// unitText says that a unit does not start at boot.
func unitText(f *Facts, name string) string {
	if u, known := f.Units[name]; known && u.File == "disabled" {
		return ", but it does not start at boot (sudo systemctl enable NetworkManager)"
	}
	return ""
}

func ofRights(f *Facts) []Finding {
	c := f.Caller
	const asRoot = "run the commands that change something with sudo"
	switch {
	case c.Root && !c.Admin:
		return one(problem("this is root, but without CAP_NET_ADMIN: it may not change networks", capabilityHint))
	case c.Root && f.System.UserNamespace && (c.Modify == "no" || c.Control == "no"):
		return one(note("this is root in its user namespace alone; to NetworkManager it is a user who may not change or start connections", containerHint))
	case c.Root:
		return one(ok("this is root"))
	case c.Modify == "no" || c.Control == "no":
		return one(note("NetworkManager does not let this user change or start connections; list, show and verify work", asRoot))
	case c.Modify == "auth" || c.Control == "auth":
		return one(ok("this user may change connections after a password"))
	case c.Modify == "yes":
		return one(ok("this user may change connections"))
	}
	return one(note("what this user may do is not known without NetworkManager", asRoot))
}

func ofHook(f *Facts) []Finding {
	switch t := f.Hook.Script; {
	case t == nil:
		return one(ok("installed, of this version, and executable"))
	case f.Hook.Installed:
		return one(problem(t.What, t.Hint))
	case f.Kept.Files > 0:
		return one(problem("not installed: what NetworkManager cannot hold, such as SNAT and forwarding, does not return by itself", t.Hint))
	}
	return one(note("not installed; it is needed for routes, SNAT and forwarding that NetworkManager cannot hold", "where a tunnel has such: sudo nmgre install-hook"))
}

func ofDispatcher(f *Facts) []Finding {
	t := f.Hook.Dispatcher
	if t != nil && f.Manager.State != Runs && !f.Manager.Installed {
		return one(note("it comes with NetworkManager", "see networkmanager above"))
	}
	if t == nil {
		if f.Units["NetworkManager-dispatcher.service"].Load == "masked" {
			t = &Trouble{"NetworkManager-dispatcher.service is masked: NetworkManager calls no hooks",
				"sudo systemctl unmask NetworkManager-dispatcher.service; sudo systemctl enable NetworkManager-dispatcher.service"}
		} else {
			return one(ok("NetworkManager's dispatcher is there, and not switched off"))
		}
	}
	if f.Hook.Installed || f.Kept.Files > 0 {
		return one(problem(t.What, t.Hint))
	}
	return one(note(t.What, t.Hint))
}

func ofUnit(f *Facts) []Finding {
	switch t := f.Hook.Unit; {
	case !f.Hook.Systemd:
		return one(ok("not needed: systemd does not run here"))
	case t == nil:
		return one(ok("nmgre-rules.service sets the rules again when a firewall was started anew"))
	case f.Hook.Installed:
		return one(problem(t.What, t.Hint))
	}
	return one(note("not installed; install-hook adds it", "where a tunnel has SNAT: sudo nmgre install-hook"))
}

func ofPolkit(f *Facts) []Finding {
	p := f.Polkit
	const install = "without it, use sudo; it comes with the package, and with: sudo make install"
	var found Finding
	switch {
	case !p.Running:
		found = note("polkit is not there: only root can change anything", "use sudo, or install polkitd (polkit on Fedora)")
	case p.Policy == PolicyMissing:
		found = note("polkit runs; nmgre's policy is not installed: what root keeps needs sudo", install)
	case p.Policy == PolicyBroken:
		found = problem("nmgre's policy for polkit cannot be read", "install it anew: sudo make install")
	case p.Policy == PolicyOther:
		found = problem("nmgre's policy for polkit is for a program at another place than this one", "run the nmgre that is installed, or install this one: sudo make install")
	case !p.Pkexec:
		found = note("polkit and nmgre's policy are there, but not pkexec", "use sudo, or install pkexec")
	default:
		found = ok("it runs, and nmgre's policy is for this program; %s", agentText(f))
	}
	if found.Status == OK && !p.Agent && !p.TextAgent && !f.Caller.Root {
		found = note("it runs, and nmgre's policy is for this program; but nobody can ask for a password: no agent runs, and there is no pkttyagent", "use sudo, or install polkitd's pkttyagent")
	}
	return one(found)
}

func agentText(f *Facts) string {
	switch p := f.Polkit; {
	case p.Agent:
		return "an agent runs that can ask for a password"
	case p.TextAgent:
		return "on a terminal, nmgre has pkttyagent ask for a password"
	}
	return "no agent runs"
}

func ofTerminal(f *Facts) []Finding {
	t := f.Terminal
	switch {
	case !t.Is:
		return one(ok("none: commands and nmgre --plain work"))
	case t.Name == "dumb" || t.Name == "":
		return one(note("it cannot draw (TERM is "+orUnset(t.Name)+"): nmgre asks line by line", "for the screens, use another terminal, or set TERM to its name"))
	case t.Columns > 0 && (t.Columns < LeastColumns || t.Rows < LeastRows):
		return one(note(fmt.Sprintf("%s, %d by %d: the screens need %d by %d", t.Name, t.Columns, t.Rows, LeastColumns, LeastRows), "make the window larger, or: nmgre --plain"))
	case !t.UTF8:
		return one(ok("%s, %d by %d, drawn in ASCII: the locale is not UTF-8", t.Name, t.Columns, t.Rows))
	}
	return one(ok("%s, %d by %d", t.Name, t.Columns, t.Rows))
}

// The size, in cells, that the screens need.
const (
	LeastColumns = 40
	LeastRows    = 15
)

func orUnset(name string) string {
	if name == "" {
		return "not set"
	}
	return name
}

// NoManager gives the reason, and the remedy, on a host whose NetworkManager does not answer. The
// hint is empty if nothing is known beyond that.
func NoManager(f Facts) (what, hint string) {
	reached := f.Manager.State == Silent || f.Manager.State == BusSilent // such as those of the host
	if c := f.System.Container; c != "" && !f.Manager.Installed && !reached {
		if c == "unknown" {
			return "there is no NetworkManager in this container", containerHint
		}
		return "there is no NetworkManager in this container (" + c + ")", containerHint
	}
	if f.Manager.State == Runs || f.Manager.State == Starting {
		return "", ""
	}
	found := ofManager(&f)[0]
	return found.Summary, found.Hint
}

const containerHint = "tunnels are made where NetworkManager runs, as a rule on the host: run nmgre there"
