#!/bin/bash
# Every program that imports Bubbles' text field looks for programs of the clipboard as it starts.
#
# Version    charm.land/bubbles/v2 v2.2.1, by github.com/atotto/clipboard v0.1.4; Linux
# Expected   A program that links a text field, and shows none, starts as if it were not there.
# Seen       Before main begins, each folder of PATH is asked for xclip, xsel, termux-clipboard-set
#            and clip.exe, where none of them is installed. With a PATH of 100 folders that is 400
#            system calls, at every start, of `program --version` too.
# Meaning    A command line tool that also has screens pays for it in each command. A folder of PATH
#            that is on a network makes each look a round trip. A field of one's own avoids it.
# Needs      Linux with strace allowed; the Go module proxy.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
if ! command -v strace >/dev/null; then
	apt-get download -qq strace libunwind8 2>/dev/null
	for package in *.deb; do dpkg -x "$package" tree; done
	export PATH=$temp/tree/usr/bin:$PATH LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu
fi

cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	"charm.land/bubbles/v2/textinput"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println(textinput.New().Value())
	}
	fmt.Println("started")
}
END
go mod init example.test/start >/dev/null 2>&1
go get charm.land/bubbles/v2@v2.2.1 github.com/atotto/clipboard@v0.1.4 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
CGO_ENABLED=0 go build -o start .

mkdir -p folders
path=
for ((n = 0; n < 100; n++)); do
	mkdir "folders/$n"
	path+=${path:+:}$temp/folders/$n
done
strace=$(command -v strace)
PATH=$path "$strace" -f -e trace=file -o trace ./start
sed -n 's,.*folders/[0-9]*/\([a-z.-]*\)".*,\1,p' trace | sort | uniq -c | awk '{ print $2 ": " $1 " looks" }' | tee seen
printf '%s: 100 looks\n' clip.exe termux-clipboard-set xclip xsel | cmp - seen || {
	echo "this has changed"
	exit 1
}
