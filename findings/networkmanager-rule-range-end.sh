#!/bin/bash
# NetworkManager leaves out the end of a range in a routing rule when it is equal to the start.
#
# Version    NetworkManager 1.42.4-1+deb12u1 (Debian 12): libnm, whose code the daemon shares
# Expected   What is written to a profile over D-Bus can be read back: a rule with dport-start 80 and
#            dport-end 80, which `dport 80` means, has both fields.
# Seen       Ports and user IDs come with their -start alone if the range is one number. With two
#            numbers both fields are there. No page of the manual says so.
# Meaning    A reader must take a missing end for the start. One that takes it for 0, or for the end
#            of all numbers, reads another rule, or refuses its own.
# Needs      python3
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq libnm0=1.42.4-1+deb12u1 libglib2.0-0=2.74.6-2+deb12u9 2>/dev/null
for package in *.deb; do dpkg -x "$package" tree; done
export LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu:$temp/tree/lib/x86_64-linux-gnu

cat >try.py <<'END'
import ctypes, re, sys

glib, nm = ctypes.CDLL("libglib-2.0.so.0"), ctypes.CDLL("libnm.so.0")

def call(lib, name, *args, result=ctypes.c_void_p):
    function = getattr(lib, name)
    function.restype = result
    value = function(*args)
    return ctypes.c_void_p(value) if result is ctypes.c_void_p else value

for words in sys.argv[1:]:
    rule = call(nm, "nm_ip_routing_rule_from_string", words.encode(), 0, None, None)
    setting = call(nm, "nm_setting_ip4_config_new")
    call(nm, "nm_setting_ip_config_add_routing_rule", setting, rule, result=None)
    connection = call(nm, "nm_simple_connection_new")
    call(nm, "nm_connection_add_setting", connection, setting, result=None)
    form = call(glib, "g_variant_print", call(nm, "nm_connection_to_dbus", connection, 0), 0, result=ctypes.c_char_p)
    fields = re.findall(r"'([a-z-]*(?:start|end))': <[a-z0-9]* ?(\d+)>", form.decode())
    print(words + ":", *("%s=%s" % field for field in fields))
END
rule='priority 5 from 10.0.0.0/8 table 5'
seen=$(python3 try.py "$rule dport 80-80" "$rule dport 80-81" "$rule sport 7" "$rule uidrange 5-5" "$rule uidrange 5-6")
expected="$rule dport 80-80: dport-start=80
$rule dport 80-81: dport-start=80 dport-end=81
$rule sport 7: sport-start=7
$rule uidrange 5-5: uid-range-start=5
$rule uidrange 5-6: uid-range-start=5 uid-range-end=6"
diff <(echo "$expected") <(echo "$seen") && echo "as described: NetworkManager 1.42.4"
