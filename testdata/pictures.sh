#!/bin/bash
# pictures.sh: draws the pictures of README and the manual.
#
# In the lab a test types its way through the wizard on both hosts, and keeps the screens. They
# become SVG files in testdata/pictures.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
screens=build/lab-out/pictures

rm -rf "$screens"
mkdir -p "$screens"
testdata/lab/test.sh ./cmd/nmgre -- -test.run '^TestLabWizardJoinsTheLANs$'
go run ./testdata/pictures "$screens" testdata/pictures
