package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// commandNames are the names of the commands below one, but for cobra's own help, and the commands
// that only the builders of nmgre have.
func commandNames(root *cobra.Command) []string {
	var names []string
	for _, cmd := range root.Commands() {
		if !slices.Contains([]string{"help", "man", "docs"}, cmd.Name()) {
			names = append(names, cmd.Name())
		}
	}
	return names
}

// A command line makes the commands of its first word only, also while a shell completes it, and
// all of them where it names none.
func TestOnlyTheNamedCommandIsMade(t *testing.T) {
	a := &app{}
	all := commandNames(a.rootCommand(nil))
	for _, m := range makers {
		for _, line := range [][]string{{m.name}, {m.name, "list"}, {"__complete", m.name, ""}, {"__completeNoDesc", m.name, "list", ""}} {
			if got := commandNames(a.rootCommand(line)); !slices.Equal(got, []string{m.name}) {
				t.Errorf("nmgre %q makes %q", line, got)
			}
		}
	}
	for _, line := range [][]string{{"help", "list"}, {"lits"}, {"--verbose", "list"}, {"__complete", ""}, {"__complete", "li"}, {"__complete"}, {""}} {
		if got := commandNames(a.rootCommand(line)); !slices.Equal(got, all) {
			t.Errorf("nmgre %q makes %q only", line, got)
		}
	}
}

// A command says the same of itself, whether it is alone or not.
func TestTheNamedCommandIsTheSameAlone(t *testing.T) {
	a := &app{}
	help := func(root *cobra.Command, name string) string {
		cmd, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		cmd.SetOut(&b)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, m := range makers {
		if alone, beside := help(a.rootCommand([]string{m.name}), m.name), help(a.rootCommand(nil), m.name); alone != beside {
			t.Errorf("%s says of itself\n%s\namong the others\n%s", m.name, alone, beside)
		}
	}
}
