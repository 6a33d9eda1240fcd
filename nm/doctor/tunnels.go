package doctor

import (
	"fmt"
	"slices"
	"strings"
)

func ofTunnels(f *Facts) []Finding {
	if len(f.Tunnels) == 0 {
		return one(Finding{Status: OK, Summary: "none yet", Hint: "nmgre create --peer ADDR --address CIDR makes one"})
	}
	counts := make(map[string]int)
	for _, t := range f.Tunnels {
		counts[t.State]++
	}
	var states []string
	for state := range counts {
		states = append(states, fmt.Sprintf("%d %s", counts[state], state))
	}
	slices.Sort(states)
	found := ok("%d: %s", len(f.Tunnels), strings.Join(states, ", "))
	found.Hint = "whether they carry traffic: nmgre verify --all"
	return one(found)
}

func ofKept(f *Facts) []Finding {
	k := f.Kept
	var list []Finding
	if k.Broken > 0 {
		list = append(list, problem(counted(k.Broken, "file", "files")+" in /etc/nmgre/tunnels cannot be read, or others than root can write", "nmgre list says which, and how to mend it"))
	}
	if k.BadLines > 0 {
		list = append(list, problem(counted(k.BadLines, "line", "lines")+" in files of /etc/nmgre/tunnels cannot be read", "nmgre verify --all says which; nmgre route keep NAME writes routes anew"))
	}
	if k.Renamed > 0 {
		list = append(list, problem(counted(k.Renamed, "file", "files")+" in /etc/nmgre/tunnels and the profile name different interfaces", "nmgre list shows the profiles; nmgre edit NAME --name IFNAME writes both anew"))
	}
	if k.Orphans > 0 {
		list = append(list, note(counted(k.Orphans, "file", "files")+" in /etc/nmgre/tunnels without a profile, and so without effect", "the next change or event of a tunnel removes them"))
	}
	if k.Killed > 0 {
		list = append(list, note(counted(k.Killed, "command of nmgre's was", "commands of nmgre's were")+" killed in the middle of the work", "the next command as root undoes what it left: sudo nmgre list"))
	}
	if len(list) > 0 {
		return list
	}
	if k.Files == 0 {
		return one(ok("nothing: NetworkManager holds all of every tunnel"))
	}
	return one(ok("%s, and each fits its profile", counted(k.Files, "file", "files")))
}
