package doctor

import "nmgre/routes/fault"

// Facts are the facts that were read of a host. The fields are the JSON form, and so a contract:
// fields are added, never renamed.
type Facts struct {
	Nmgre    Program            `json:"nmgre"`
	System   System             `json:"system"`
	Caller   Caller             `json:"caller"`
	Terminal Terminal           `json:"terminal"`
	Modules  map[string]string  `json:"modules"` // the states of the kernel's modules, by their names
	Manager  Manager            `json:"networkmanager"`
	Hook     Hook               `json:"hook"`
	Polkit   Polkit             `json:"polkit"`
	Firewall Firewall           `json:"firewall"`
	Settings Settings           `json:"settings"`
	Others   []Other            `json:"others"`
	Tunnels  []Tunnel           `json:"tunnels"`
	Links    []Link             `json:"links"` // GRE links that no profile has
	Kept     Kept               `json:"kept"`
	Units    map[string]Unit    `json:"units,omitempty"` // of systemd, by their names
	Unread   map[Subject]string `json:"unread,omitempty"`
}

// Subject is the ID of a finding.
type Subject string

// The subjects, in their order in a report.
const (
	OfNmgre      Subject = "nmgre"
	OfSystem     Subject = "system"
	OfContainer  Subject = "container"
	OfGRE        Subject = "gre"
	OfNAT        Subject = "nat"
	OfManager    Subject = "networkmanager"
	OfRights     Subject = "rights"
	OfHook       Subject = "hook"
	OfDispatcher Subject = "dispatcher"
	OfUnit       Subject = "unit"
	OfPolkit     Subject = "polkit"
	OfFirewall   Subject = "firewall"
	OfOuter      Subject = "gre-passes"
	OfForwarding Subject = "forwarding"
	OfFilter     Subject = "rp-filter"
	OfOthers     Subject = "others"
	OfTunnels    Subject = "tunnels"
	OfLinks      Subject = "links"
	OfKept       Subject = "kept"
	OfTerminal   Subject = "terminal"
)

// Why a subject is not known, in [Facts.Unread].
const (
	Slow    = "slow"          // the answer did not come in time
	Refused = "not permitted" // it needs root
	Failed  = "failed"
)

// Program is nmgre itself.
type Program struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	// Commit is the one that it was built from; Modified says that files had changed since.
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
}

// System is the host.
type System struct {
	ID            string `json:"id,omitempty"` // "debian"; os-release(5)
	Version       string `json:"version,omitempty"`
	Kernel        string `json:"kernel"` // the release
	Arch          string `json:"arch"`
	Container     string `json:"container,omitempty"` // "docker"
	UserNamespace bool   `json:"user_namespace,omitempty"`
}

// Caller is who asks.
type Caller struct {
	Root    bool   `json:"root"`
	Admin   bool   `json:"net_admin"`         // CAP_NET_ADMIN is in effect
	Modify  string `json:"modify,omitempty"`  // polkit on changing profiles: "yes", "auth" or "no"
	Control string `json:"control,omitempty"` // polkit on bringing them up and down
}

// Terminal is the terminal that nmgre is typed on.
type Terminal struct {
	Is      bool   `json:"is"`
	Name    string `json:"name,omitempty"` // TERM
	Columns int    `json:"columns,omitempty"`
	Rows    int    `json:"rows,omitempty"`
	UTF8    bool   `json:"utf8"`
}

// The states of a [Manager].
const (
	Runs      = "running"
	NoBus     = "no bus"
	BusSilent = "silent bus"
	Absent    = "not running"
	Silent    = "silent"
	Starting  = "starting"
)

// Manager is NetworkManager.
type Manager struct {
	State     string `json:"state"`
	Version   string `json:"version,omitempty"`
	Old       bool   `json:"too_old,omitempty"`
	Installed bool   `json:"installed"`
	// BusSet says that DBUS_SYSTEM_BUS_ADDRESS names the bus.
	BusSet bool `json:"bus_address_set,omitempty"`
}

// Trouble is a missing part, in words of nmgre's own.
type Trouble struct {
	What string `json:"what"`
	Hint string `json:"hint,omitempty"`
}

// TroubleOf returns the trouble that an error of nmgre's own tells; nil for nil.
func TroubleOf(err error) *Trouble {
	if err == nil {
		return nil
	}
	t := &Trouble{What: fault.Printable(err.Error())}
	if hints := fault.Hints(err); len(hints) > 0 {
		t.Hint = fault.Printable(hints[0])
	}
	return t
}

// Hook is how nmgre is called when a tunnel comes up. A part that is there is nil.
type Hook struct {
	Installed  bool     `json:"installed"`
	Script     *Trouble `json:"script,omitempty"`
	Dispatcher *Trouble `json:"dispatcher,omitempty"`
	Unit       *Trouble `json:"unit,omitempty"`
	Systemd    bool     `json:"systemd"`
}

// Polkit is how a user without root gets root's part done.
type Polkit struct {
	Running   bool   `json:"running"` // or the bus can start it
	Pkexec    bool   `json:"pkexec"`
	TextAgent bool   `json:"text_agent"` // pkttyagent is installed
	Agent     bool   `json:"agent"`      // one runs
	Policy    string `json:"policy"`     // "this program", "another program", "missing" or "unreadable"
}

// The values of [Polkit.Policy].
const (
	PolicyHere    = "this program"
	PolicyOther   = "another program"
	PolicyMissing = "missing"
	PolicyBroken  = "unreadable"
)

// Firewall has the programs whose rules there are, and the rules that drop GRE.
type Firewall struct {
	Programs []string `json:"programs"`        // that have rules here
	Others   int      `json:"other_tables"`    // tables of nftables that are nobody's that is known
	Legacy   bool     `json:"iptables_legacy"` // nobody can read these rules
	UFW      bool     `json:"ufw_enabled"`     // by its settings
	Lacks    bool     `json:"lacks,omitempty"` // the kernel has no nftables
	// Partly says that only root can read the rules: programs are known by other signs.
	Partly  bool   `json:"partly,omitempty"`
	Drops   []Drop `json:"drops,omitempty"`   // rules that drop GRE
	Asked   int    `json:"asked,omitempty"`   // pairs of ends that were asked about; 0 for GRE in general
	Family6 bool   `json:"family6,omitempty"` // IPv6 was asked about as well
}

// Drop is rules that drop GRE packets.
type Drop struct {
	Program string `json:"program"`
	Hook    string `json:"hook,omitempty"` // as nft names it
	Out     bool   `json:"out,omitempty"`
	OnlyNew bool   `json:"only_new,omitempty"` // answers pass
	Perhaps bool   `json:"perhaps,omitempty"`
	Tunnels int    `json:"tunnels,omitempty"` // how many it is about; 0 for GRE in general
}

// Settings are the kernel's, where they could be read.
type Settings struct {
	Forward4 *int `json:"ipv4_forwarding,omitempty"` // net.ipv4.conf.all.forwarding
	Forward6 *int `json:"ipv6_forwarding,omitempty"`
	Filter   *int `json:"rp_filter_all,omitempty"`     // net.ipv4.conf.all.rp_filter
	Default  *int `json:"rp_filter_default,omitempty"` // of devices to come
	Strict   int  `json:"rp_filter_strict"`            // how many tunnels' devices have the strict filter
}

// Other is a program that manages networks beside NetworkManager.
type Other struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	Count   int    `json:"count"` // of files, or stanzas in them
	Word    string `json:"word,omitempty"`
	Unread  bool   `json:"unread,omitempty"`
	Takes   int    `json:"takes,omitempty"` // how many tunnels' devices it manages, too
}

// Tunnel is one tunnel. Its addresses are shortened.
type Tunnel struct {
	Mode      string   `json:"mode"`
	State     string   `json:"state"`
	Local     string   `json:"local,omitempty"`
	Remote    string   `json:"remote,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
	MTU       uint32   `json:"mtu,omitempty"`
	Key       bool     `json:"key"`
	Routes    int      `json:"routes"`
	Kept      int      `json:"kept_routes"`
}

// Kept counts root's files, and their faults.
type Kept struct {
	Files    int `json:"files"`
	Orphans  int `json:"without_profile"`
	Renamed  int `json:"other_interface"` // the profile's interface has another name
	Broken   int `json:"broken"`          // cannot be read, or are not trusted
	BadLines int `json:"bad_lines"`
	Killed   int `json:"interrupted"` // of commands that were killed
}

// Unit has the states that systemd gives for a unit.
type Unit struct {
	Load   string `json:"load"`
	Active string `json:"active"`
	File   string `json:"file,omitempty"`
}
