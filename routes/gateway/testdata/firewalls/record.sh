#!/bin/bash
# record.sh: records the messages of nft and iptables-restore to the kernel for the rules in this folder and in ../outer, so that tests
# can send the same without them. With arguments it does so for these files only. Needs root, nft, iptables (the nf_tables one), strace and xxd. X.nft and X.iptables become X.batch.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"

record() { # FILE COMMAND...: the netlink batch that COMMAND sends
	local to=$1 trace
	shift
	trace=$(mktemp)
	unshare -n strace -qq -e trace=sendmsg -e write=all -o "$trace" "$@"
	# Of each message sent the dump of its buffers; a batch begins with type 16.
	awk '
		/^sendmsg/ { keep(); data = "" }
		/^ \| / { data = data substr($0, 11, 49) }
		END { keep() }
		function keep() { gsub(/ /, "", data); if (substr(data, 9, 4) == "1000") all = all data; if (all) print all; all = "" }
	' "$trace" | xxd -r -p >"$to"
	rm "$trace"
}

[ $# -gt 0 ] || set -- ./*.nft ./*.iptables ../outer/*.nft ../outer/*.iptables
for file; do
	case $file in
	*.nft) record "${file%.nft}.batch" nft -f "$file" ;;
	*6.iptables) record "${file%.iptables}.batch" ip6tables-nft-restore "$file" ;;
	*.iptables) record "${file%.iptables}.batch" iptables-nft-restore "$file" ;;
	esac
done
