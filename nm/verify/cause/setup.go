package cause

// The causes that show without a packet: NetworkManager, or the kernel, differs from the profile
// and root's file. The checks themselves tell them, in their own words.
const (
	NotUp          = "not-up"
	NoGREHere      = "no-gre-here"
	ComingUp       = "coming-up"
	NoDevice       = "no-device"
	NotGRE         = "not-gre"
	LinkDiffers    = "link-differs"
	LinkDown       = "link-down"
	AddressMissing = "address-missing"
	AddressExtra   = "address-extra"
	KeptUnreadable = "kept-unreadable"
	KeptForAnother = "kept-for-another"
	HookMissing    = "hook-missing"
	RouteMissing   = "route-missing"
	RouteElsewhere = "route-elsewhere"
	RouteSource    = "route-source"
	NotDropped     = "not-dropped"
	NotForwarding  = "not-forwarding"
	RuleMissing    = "rule-missing"
	FirewallDrops  = "firewall-forward"
)

// PeersSilent is the cause of the check of the far end's other inner addresses, which tells it in
// its own words.
const PeersSilent = "peers-silent"

// morePeersCauses is that cause.
var morePeersCauses = []row{
	{Cause: Cause{PeersSilent, Likely, "the far end answers from its first inner address, and not from another: it lacks that one, or filters what is sent there",
		"ping -I NAME PEER; there: ip address show"}},
}

// routeElsewhere is for the tunnel's routes, and for an address behind the far end.
var routeElsewhere = Cause{RouteElsewhere, Proved, "packets for the tunnel take another way: a more specific route, a lower metric or a rule decides, or none leads there",
	"ip route get DESTINATION; ip rule"}

// setupCauses are those causes. Without evidence of their own they are only words.
var setupCauses = []row{
	{Cause: Cause{NotUp, Proved, "the tunnel is not up: NetworkManager has not activated its profile, or has given up",
		"nmcli device status; nmcli connection show NAME; journalctl -u NetworkManager"}},
	{Cause: Cause{NoGREHere, Proved, "this host's kernel has no GRE, and cannot load its module: no tunnel of that mode comes up",
		"sudo modprobe ip_gre (ip6_gre over IPv6); lsmod; ls /lib/modules"}},
	{Cause: Cause{ComingUp, Proved, "NetworkManager is still bringing the tunnel up",
		"nmcli device status"}},
	{Cause: Cause{NoDevice, Proved, "the tunnel is up for NetworkManager, and the kernel has no such device",
		"ip link show dev NAME; nmcli device status"}},
	{Cause: Cause{NotGRE, Proved, "the device with the tunnel's name is of another kind",
		"ip -d link show dev NAME"}},
	{Cause: Cause{LinkDiffers, Proved, "the kernel's link is not as it is to be: somebody has changed its address, key, MTU, options or bridge, or made it by hand",
		"ip -d link show dev NAME; nmcli connection show NAME"}},
	{Cause: Cause{LinkDown, Proved, "the tunnel's link is administratively down",
		"ip link show dev NAME"}},
	{Cause: Cause{AddressMissing, Proved, "the link does not have an inner address of the profile",
		"ip address show dev NAME"}},
	{Cause: Cause{AddressExtra, Proved, "the link has an inner address that is not in the profile: it is lost when the tunnel goes down",
		"ip address show dev NAME"}},
	{Cause: Cause{KeptUnreadable, Proved, "root's file with the tunnel's routes and rules, or a line of it, cannot be read or trusted",
		"sudo ls -l /etc/nmgre; sudo nmgre show NAME"}},
	{Cause: Cause{KeptForAnother, Proved, "what root keeps for the tunnel was allowed for another far end or device, so it is not set",
		"sudo nmgre show NAME; ip -d link show dev NAME"}},
	{Cause: Cause{HookMissing, Proved, "NetworkManager's dispatcher does not call nmgre: what root keeps for the tunnel does not come back with it",
		"systemctl status NetworkManager-dispatcher"}},
	{Cause: Cause{RouteMissing, Proved, "the kernel does not have a route of the tunnel, or has it with other attributes",
		"ip route show dev NAME table all"}},
	{Cause: routeElsewhere},
	{Cause: Cause{RouteSource, Proved, "packets that follow a route of the tunnel do not get the source address that the route is to give them",
		"ip route get DESTINATION"}},
	{Cause: Cause{NotDropped, Proved, "packets that a route of the tunnel's is to drop (blackhole, unreachable, prohibit) are sent somewhere",
		"ip route get DESTINATION"}},
	{Cause: Cause{NotForwarding, Proved, "packets are to be forwarded between the tunnel and a device, and that is switched off there, or the device does not exist",
		"sysctl -ar forwarding"}},
	{Cause: Cause{RuleMissing, Proved, "a rule of nmgre's for forwarded packets (SNAT, MSS clamping), or of the routing policy, is not in the kernel",
		"sudo nft list ruleset"}},
	{Cause: Cause{FirewallDrops, Likely, "another program on this host, such as firewalld or Docker, drops packets that are to be forwarded",
		"sudo nft list ruleset (hook forward); sudo firewall-cmd --get-active-zones"}},
}
