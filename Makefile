# nmgre: what can be made. `make help` lists it.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

SHELL   := /bin/bash
# Without symbols and debugging data the program is a quarter smaller. Panics name their lines all the same.
BUILD   := go build -trimpath -ldflags='-s -w'
LINTER  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
LAB     := testdata/lab/lab.sh
# Debian suites with other NetworkManagers than the lab's first one has; testdata/lab/lab.sh knows them.
OTHERS  := trixie forky
PREFIX  ?= /usr/local

# Nothing here needs C. With one setting everywhere, Go compiles each package once.
export CGO_ENABLED := 0
export GOFLAGS     := $(filter-out -trimpath,$(shell go env GOFLAGS 2>/dev/null)) -trimpath

# testdata/ is left out of ./... by Go itself, but the lab's own Go code is code like any other.
PACKAGES := ./... ./testdata/fake ./testdata/onecall ./testdata/lab/... ./testdata/netns ./testdata/pictures ./testdata/want

# polkit up to 122 reads policies from here only.
POLKIT  ?= /usr/share/polkit-1/actions

# systemd reads units from here, too, for PREFIX /usr and /usr/local.
UNITS   ?= $(PREFIX)/lib/systemd/system

.PHONY: help all has-go build test test-all vet unit lab-setup lab-test faults recipes lint ansible collection bench demo pictures lab man docs completions policy units packages test-packages test-arch release deps size install uninstall clean race fuzz

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

all: build man completions policy units ## what install installs

has-go:
	@command -v go >/dev/null || { echo "there is no go in PATH, as mostly under sudo: type make first, as yourself" >&2; exit 1; }

build: has-go ## build/nmgre
	$(BUILD) -o build/nmgre ./cmd/nmgre

test: unit lab-test ## everything: vet, unit tests, and the tests in the lab, with three NetworkManagers

test-all: export NMGRE_LAB_LINES := 1
test-all: unit lab-setup ## the same, and every test in the lab with each of the three (an hour)
	testdata/lab/test.sh $(OTHERS:%=--all %)

vet:
	go vet -tags man $(PACKAGES)

unit: vet ## the tests that need no lab; what "go test" vets is a part of "make vet"
	go test -vet=off -tags man $(PACKAGES)

# The race detector is the one thing that needs C: gcc.
race: export CGO_ENABLED := 1
race: ## the tests that need no lab, with the race detector (needs gcc)
	go test -race -p 1 -vet=off -tags man $(PACKAGES)

FUZZTIME ?= 60s
FUZZJOBS ?= 2

fuzz: ## every fuzz test for FUZZTIME (60s), FUZZJOBS (2) at a time
	testdata/fuzz.sh $(FUZZTIME) $(FUZZJOBS)

lab-setup: ## install what the lab needs, and build it (once)
	$(LAB) setup

lab-test: lab-setup ## the tests in the lab: a kernel with GRE and real NetworkManagers
	testdata/lab/test.sh $(OTHERS:%=--also %)

faults: lab-setup ## every fault of the table in cmd/nmgre/manual/survives.md, with what is left afterwards
	testdata/faults.sh

recipes: lab-setup ## every recipe and command line of the manual, typed in the lab
	testdata/recipes.sh

lint: ## the linter, with the walls between the packages
	go run $(LINTER) run --build-tags man $(PACKAGES)

ansible: ## the Ansible collection: Ansible's own checkers, and its modules, without the lab
	testdata/ansible.sh

collection: ## build/nmgre-gre-VERSION.tar.gz: the Ansible collection, for ansible-galaxy
	ansible-galaxy collection build --force --output-path build cmd/ansible

bench: lab-setup ## speed, as ratios
	testdata/bench.sh

demo: lab-setup ## two hosts, one tunnel, made by nmgre at both ends
	testdata/demo.sh

pictures: lab-setup ## the pictures of README and the manual, from a run in the lab
	testdata/pictures.sh

lab: lab-setup ## a shell on linux1, a host of the lab
	@mkdir -p build/lab-share/bin
	$(BUILD) -o build/lab-share/bin/nmgre ./cmd/nmgre
	$(LAB) shell linux1

man: has-go ## build/man: the manual pages
	go run -tags man ./cmd/nmgre man build/man

docs: ## build/docs: the manual for a browser; begin at index.html
	go run -tags man ./cmd/nmgre docs build/docs

completions: build ## build/completions: for bash, zsh and fish
	mkdir -p build/completions
	build/nmgre completion bash > build/completions/nmgre
	build/nmgre completion zsh > build/completions/_nmgre
	build/nmgre completion fish > build/completions/nmgre.fish

policy: ## build/org.nmgre.policy: what polkit knows of nmgre
	mkdir -p build
	sed 's,@nmgre@,$(PREFIX)/bin/nmgre,' cmd/nmgre/polkit/org.nmgre.policy.in > build/org.nmgre.policy

units: ## build/nmgre-follow.service: what its timer starts
	mkdir -p build
	sed 's,@nmgre@,$(PREFIX)/bin/nmgre,' cmd/nmgre/systemd/nmgre-follow.service.in > build/nmgre-follow.service

# Who answers for the packages, and the processors that they are for.
MAINTAINER ?= the nmgre authors <nmgre@localhost>
ARCHS      ?= amd64,arm64,armv7,ppc64le,s390x,riscv64

packages: ## build/packages: deb, rpm and apk, for six kinds of processors, or for ARCHS=amd64 alone
	go run ./cmd/nmgre/packaging packages -arch $(ARCHS) -maintainer "$(MAINTAINER)" build/packages

release: ## build/release: the same, tar archives, checksums, and the list of what is inside (CycloneDX)
	go run ./cmd/nmgre/packaging release -arch $(ARCHS) -maintainer "$(MAINTAINER)" build/release

# SUITES=bookworm tries them on that release of Debian alone.
test-packages: lab-setup ## the packages: checkers, and their life in the lab, on three releases of Debian
	testdata/packages.sh $(SUITES)

test-arch: ## the unit tests on other kinds of processors: the other order of bytes, 32 bits
	testdata/arch.sh

deps: ## newer dependencies, and known faults of those in use
	go run ./cmd/nmgre/packaging dependencies -check

size: ## what is linked into nmgre, and how large it is
	go run ./cmd/nmgre/packaging size

# sudo has no Go in its PATH, or one with caches of root's: what make has built as yourself is installed.
built := $(and $(SUDO_UID),$(wildcard build/nmgre),$(wildcard build/man/nmgre.8),$(wildcard build/completions/nmgre.fish))

install: $(if $(built),,all) policy units ## install below PREFIX (/usr/local)
	install -D -m 0755 build/nmgre $(DESTDIR)$(PREFIX)/bin/nmgre
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 build/man/*.8
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man7 build/man/*.7
	install -D -m 0644 build/completions/nmgre $(DESTDIR)$(PREFIX)/share/bash-completion/completions/nmgre
	install -D -m 0644 build/completions/_nmgre $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nmgre
	install -D -m 0644 -t $(DESTDIR)$(POLKIT) build/org.nmgre.policy
	install -D -m 0644 -t $(DESTDIR)$(UNITS) build/nmgre-follow.service cmd/nmgre/systemd/nmgre-follow.timer
	install -D -m 0644 build/completions/nmgre.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/nmgre.fish

uninstall: ## remove what install has put below PREFIX; profiles and kept files stay
	rm -f $(DESTDIR)$(PREFIX)/bin/nmgre $(DESTDIR)$(PREFIX)/share/man/man8/nmgre.8 $(DESTDIR)$(PREFIX)/share/man/man8/nmgre-*.8
	rm -f $(DESTDIR)$(PREFIX)/share/man/man7/nmgre-*.7
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/nmgre $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nmgre
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/nmgre.fish $(DESTDIR)$(POLKIT)/org.nmgre.policy
	rm -f $(DESTDIR)$(UNITS)/nmgre-follow.service $(DESTDIR)$(UNITS)/nmgre-follow.timer

clean: ## remove everything that was built, the lab too
	$(LAB) clean
	rm -rf build
