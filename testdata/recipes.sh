#!/bin/bash
# recipes.sh: every recipe, and every other command line of README, the manual and the commands'
# examples, typed in the lab as it stands there. Four recipes and README's own lines are typed in
# "make test" as well; the other tests have the line "//lab:recipes" above them.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build
grep -hoE '^func TestLab(Recipe|Typed)[A-Za-z0-9]+' cmd/nmgre/*_test.go | sed 's|^func |./cmd/nmgre |' | LC_ALL=C sort >build/recipes
NMGRE_LAB_TESTS=$PWD/build/recipes exec testdata/lab/test.sh ./cmd/nmgre
