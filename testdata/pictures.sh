#!/bin/bash
# pictures.sh: the README's pictures, from a run: in the lab, a test types its way through the wizard on both hosts, and what it saw is
# drawn as SVG into testdata/pictures.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
screens=build/lab-out/pictures

rm -rf "$screens"
mkdir -p "$screens"
testdata/lab/test.sh ./cmd/nmgre -- -test.run '^TestLabWizardJoinsTheLANs$'
go run ./testdata/pictures "$screens" testdata/pictures
