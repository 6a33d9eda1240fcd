package host

import (
	"errors"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Tool is a program that manages networks beside NetworkManager.
type Tool struct {
	Name string `json:"name"`
	// Running says that its process runs; Count is how many of its files, or stanzas in them,
	// describe networks.
	Running bool `json:"running"`
	Count   int  `json:"count"`
	// Word is netplan's renderer, or "disabled" for a cloud-init that leaves networks alone.
	Word string `json:"word,omitempty"`
	// Unread says that some of its files cannot be read by this user.
	Unread bool `json:"unread,omitempty"`
}

// The names of tools.
const (
	Networkd  = "systemd-networkd"
	Ifupdown  = "ifupdown"
	Netplan   = "netplan"
	ConnMan   = "connman"
	Dhcpcd    = "dhcpcd"
	Wicked    = "wicked"
	CloudInit = "cloud-init"
)

// Tools returns the tools that run here or have files here. running are the names of processes, see
// [Files.Processes].
func (f Files) Tools(running map[string]bool) (tools []Tool) {
	for _, t := range []Tool{
		f.networkd(running), f.ifupdown(), f.netplan(),
		{Name: ConnMan, Running: running["connmand"]}, {Name: Dhcpcd, Running: running["dhcpcd"]}, {Name: Wicked, Running: running["wickedd"]},
		f.cloudInit(),
	} {
		if t.Running || t.Count > 0 || t.Unread || t.Word != "" {
			tools = append(tools, t)
		}
	}
	return tools
}

func (f Files) networkd(running map[string]bool) Tool {
	t := Tool{Name: Networkd, Running: running["systemd-network"]} // cut to 15 bytes
	for _, folder := range []string{"etc/systemd/network", "run/systemd/network"} {
		names, readable := f.list(folder, ".network")
		t.Count += len(names)
		t.Unread = t.Unread || !readable
	}
	return t
}

// Managed reports whether systemd-networkd manages the device with this index, by its own files.
func (f Files) Managed(index int) bool {
	text, err := f.read("run/systemd/netif/links/" + strconv.Itoa(index))
	if err != nil {
		return false
	}
	for line := range strings.Lines(text) {
		if state, found := strings.CutPrefix(strings.TrimSpace(line), "ADMIN_STATE="); found {
			return state != "unmanaged" && state != "pending" && state != "initialized"
		}
	}
	return false
}

// ifupdown counts the stanzas of devices other than lo.
func (f Files) ifupdown() Tool {
	t := Tool{Name: Ifupdown}
	names, readable := f.list("etc/network/interfaces.d", "")
	t.Unread = !readable
	files := []string{"etc/network/interfaces"}
	for _, name := range names {
		files = append(files, "etc/network/interfaces.d/"+name)
	}
	for _, file := range files {
		text, err := f.read(file)
		t.Unread = t.Unread || errors.Is(err, fs.ErrPermission)
		for line := range strings.Lines(text) {
			if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "iface" && fields[1] != "lo" {
				t.Count++
			}
		}
	}
	return t
}

// renderer finds the renderer in a file of netplan's.
var renderer = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s*renderer:\s*["']?(NetworkManager|networkd|sriov)["']?\s*(?:#.*)?$`)
})

// netplan counts its files, without those that NetworkManager itself has written there.
func (f Files) netplan() Tool {
	t := Tool{Name: Netplan}
	words := make(map[string]bool)
	for _, folder := range []string{"etc/netplan", "run/netplan", "usr/lib/netplan", "lib/netplan"} {
		names, readable := f.list(folder, ".yaml")
		t.Unread = t.Unread || !readable
		for _, name := range names {
			if strings.HasPrefix(name, "90-NM-") {
				continue
			}
			t.Count++
			text, err := f.read(folder + "/" + name)
			t.Unread = t.Unread || err != nil
			for _, m := range renderer().FindAllStringSubmatch(text, maxEntries) {
				words[m[1]] = true
			}
		}
	}
	switch {
	case words["NetworkManager"] && words["networkd"]:
		t.Word = "both"
	case words["NetworkManager"]:
		t.Word = "NetworkManager"
	case t.Count > 0 && !t.Unread:
		t.Word = "networkd" // netplan's default as well
	}
	return t
}

// disabled finds the setting by which cloud-init leaves networks alone.
var disabled = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s*network:\s*(?:\{\s*config:\s*disabled\s*\}|\n\s+config:\s*disabled)`)
})

func (f Files) cloudInit() Tool {
	t := Tool{Name: CloudInit}
	if !f.Has("etc/cloud") || f.Has("etc/cloud/cloud-init.disabled") {
		return t
	}
	t.Word = "enabled"
	names, readable := f.list("etc/cloud/cloud.cfg.d", ".cfg")
	t.Unread = !readable
	files := []string{"etc/cloud/cloud.cfg"}
	for _, name := range names {
		files = append(files, "etc/cloud/cloud.cfg.d/"+name)
	}
	for _, file := range files {
		if text, err := f.read(file); err == nil && disabled().MatchString(text) {
			t.Word = "disabled"
		}
	}
	return t
}

// agents are the names of polkit's agents of desktops, cut to 15 bytes. gnome-shell and
// cinnamon have one inside.
var agents = []string{
	"polkit-gnome-au", "polkit-kde-auth", "polkit-mate-aut", "lxpolkit", "lxqt-policykit-", "xfce-polkit", "gnome-shell", "cinnamon", "pantheon-agent-",
	"ukui-polkit", "soteria", "hyprpolkitagent", "pkttyagent", "budgie-polkit-d", "cosmic-osd",
}

// Agent reports whether one of polkit's agents runs, among the processes that can be seen.
func Agent(running map[string]bool) bool {
	for _, name := range agents {
		if running[name] {
			return true
		}
	}
	return false
}
