#!/bin/bash
# recipes.sh: every recipe of the manual, typed in the lab as it stands there. Four of them run in
# "make test" as well; the others have the line "//lab:recipes" above their test.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build
grep -hoE '^func TestLabRecipe[A-Za-z0-9]+' cmd/nmgre/*_test.go | sed 's|^func |./cmd/nmgre |' | LC_ALL=C sort >build/recipes
NMGRE_LAB_TESTS=$PWD/build/recipes exec testdata/lab/test.sh ./cmd/nmgre
