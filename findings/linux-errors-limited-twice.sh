#!/bin/bash
# A Linux router stops to say "no route" to a host that goes on asking, and does not begin again.
#
# Version    Linux 6.18.44, iproute2 and Python of the machine
# Expected   icmp_ratelimit is 1000 ms: a host that asks every 0.4 seconds is told about once a
#            second, after the first few at once.
# Seen       It is told of the first two or three, and then never again as long as it goes on asking.
#            Asked every 2.2 seconds, the router answers each time.
# Meaning    The error passes two limits, that of routes without a way (ip_error) and that of ICMP
#            (icmpv4_xrlim_allow). Both take a second from one budget of the host that asked, which
#            grows by one a second: the first takes what the second one needs. A tool that tells
#            faults apart by such errors must ask less often than every two seconds.
set -euo pipefail

near=finding-a-$$ router=finding-b-$$
trap 'ip netns del "$near"; ip netns del "$router"' EXIT
ip netns add "$near"
ip netns add "$router"
ip -n "$near" link add v0 type veth peer name v1 netns "$router"
ip -n "$near" addr add 192.0.2.1/24 dev v0
ip -n "$router" addr add 192.0.2.2/24 dev v1
ip -n "$near" link set v0 up
ip -n "$router" link set v1 up
ip netns exec "$router" sysctl -qw net.ipv4.ip_forward=1
ip -n "$near" route add 198.51.100.0/24 via 192.0.2.2 # to which the router has no route

# ask SECONDS COUNT: sends COUNT packets and prints an x for each that an error came back for
ask() {
	sleep 8 # the budget fills up
	ip netns exec "$near" python3 - "$@" <<'END'
import socket, sys, time

gap, count, told = float(sys.argv[1]), int(sys.argv[2]), ""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
s.setblocking(False)
for _ in range(count):
    for _ in range(2):  # the error about an earlier packet is reported once
        try:
            s.sendto(b"", ("198.51.100.7", 33434))
            break
        except OSError:
            pass
    time.sleep(gap)
    came = "."
    while True:
        try:
            s.recvmsg(512, 512, socket.MSG_ERRQUEUE)
            came = "x"
        except BlockingIOError:
            break
    told += came
print(told)
END
}

fast=$(ask 0.4 20) slow=$(ask 2.2 6)
echo "every 0.4 s: $fast"
echo "every 2.2 s: $slow"
[[ $fast =~ ^x{2,4}\.{16,18}$ && $slow == xxxxxx ]] && echo "as described: Linux $(uname -r)"
