#!/bin/bash
# The manual names three fields of a routing rule otherwise than NetworkManager does.
#
# Version    NetworkManager 1.42.4-1+deb12u1 (Debian 12); the manuals of 1.52 and 1.58 say the same
# Expected   nm-settings-dbus(5) lists the fields of ipv4.routing-rules and ipv6.routing-rules, with
#            "supress-prefixlength (i)", "range-start (u)" and "range-end (u)". A program that writes
#            these sets what `suppress_prefixlength` and `uidrange` of ip-rule(8) do.
# Seen       The fields are suppress-prefixlength, uid-range-start and uid-range-end. The daemon
#            refuses the manual's names: invalid key "supress-prefixlength". libnm leaves them out
#            without a word: the rule that it makes is for all users, and for the default route too.
# Meaning    Who writes rules over D-Bus takes the names from libnm, and looks at the rule that it got.
# Needs      python3
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq network-manager=1.42.4-1+deb12u1 libnm0=1.42.4-1+deb12u1 libglib2.0-0=2.74.6-2+deb12u9 2>/dev/null
for package in *.deb; do dpkg -x "$package" tree; done
export LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu:$temp/tree/lib/x86_64-linux-gnu

# documented: the manual's names of fields.
documented() {
	zcat tree/usr/share/man/man5/nm-settings-dbus.5.gz | sed 's/\\-/-/g' |
		sed -n 's/.*Each routing rule supports the following options: //p' | head -n 1 | grep -oE '[a-z-]+ \([a-z]\)' | cut -d ' ' -f 1 | sort
}

cat >try.py <<'END'
import ctypes, sys

glib, nm = ctypes.CDLL("libglib-2.0.so.0"), ctypes.CDLL("libnm.so.0")

def call(lib, name, *args, result=ctypes.c_void_p):
    function = getattr(lib, name)
    function.restype = result
    value = function(*args)
    return ctypes.c_void_p(value) if result is ctypes.c_void_p else value

for fields in sys.argv[1:]:
    text = ("{'connection': {'id': <'d0'>, 'uuid': <'00000000-0000-4000-8000-000000000001'>, 'type': <'dummy'>, 'interface-name': <'d0'>}, "
        "'dummy': @a{sv} {}, 'ipv6': {'method': <'disabled'>}, 'ipv4': {'method': <'auto'>, 'routing-rules': <[{'family': <2>, 'priority': <uint32 5>, "
        "'table': <uint32 254>, " + fields + "}]>}}")
    form = call(glib, "g_variant_parse", None, text.encode(), None, None, None)
    error = ctypes.c_void_p()
    connection = call(nm, "nm_simple_connection_new_from_dbus", form, ctypes.byref(error))
    if error.value:
        print(fields + ":", ctypes.cast(error.value + 8, ctypes.POINTER(ctypes.c_char_p))[0].decode())
        continue
    setting = call(nm, "nm_connection_get_setting_ip4_config", connection)
    if call(nm, "nm_setting_ip_config_get_num_routing_rules", setting, result=ctypes.c_uint) == 0:
        print(fields + ":", "no rule")
        continue
    rule = call(nm, "nm_setting_ip_config_get_routing_rule", setting, 0)
    print(fields + ":", call(nm, "nm_ip_routing_rule_to_string", rule, 0, None, None, result=ctypes.c_char_p).decode())
END
seen=$(
	echo "the manual has: $(documented | grep -E 'range|refix' | xargs)"
	python3 try.py "'supress-prefixlength': <0>" "'suppress-prefixlength': <0>" \
		"'range-start': <uint32 5>, 'range-end': <uint32 6>" "'uid-range-start': <uint32 5>, 'uid-range-end': <uint32 6>"
)
expected="the manual has: range-end range-start supress-prefixlength
'supress-prefixlength': <0>: priority 5 from 0.0.0.0/0 table 254
'suppress-prefixlength': <0>: priority 5 from 0.0.0.0/0 suppress_prefixlength 0 table 254
'range-start': <uint32 5>, 'range-end': <uint32 6>: priority 5 from 0.0.0.0/0 table 254
'uid-range-start': <uint32 5>, 'uid-range-end': <uint32 6>: priority 5 from 0.0.0.0/0 uidrange 5-6 table 254"
diff <(echo "$expected") <(echo "$seen") && echo "as described: NetworkManager 1.42.4"
