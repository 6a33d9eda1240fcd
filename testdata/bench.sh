#!/bin/bash
# bench.sh: speed, as ratios of medians of several runs in turn. Whole commands are measured in the lab, what needs no
# NetworkManager on this machine.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

go test -run '^$' -bench '^BenchmarkVersion$' -benchtime 1x ./cmd/nmgre
go test -run '^$' -bench '^BenchmarkSync(Ratios|Memory)$' -benchtime 5x ./routes/netlink
go test -run '^$' -bench '^BenchmarkHookOfOthers$' ./routes/store
go test -run '^$' -bench '^BenchmarkScreen' -benchtime 1x ./tui
testdata/lab/test.sh ./cmd/nmgre -- -test.run '^$' -test.bench '^BenchmarkLab' -test.benchtime 1x
