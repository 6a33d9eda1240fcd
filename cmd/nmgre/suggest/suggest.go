// Package suggest knows nmgre's words for those of other programs, and for mistyped ones. Begin at
// [UnknownCommand].
package suggest

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nmgre/routes/fault"
)

// Meant has the commands that people mean by words of other programs: of all commands, and of those
// below route and rule.
var Meant = map[string]string{
	"add": "create", "new": "create", "make": "create", "setup": "create",
	"modify": "edit", "mod": "edit", "change": "edit", "set": "edit", "update": "edit",
	"rm": "delete", "del": "delete", "remove": "delete", "destroy": "delete",
	"start": "up", "connect": "up", "activate": "up", "enable": "up",
	"stop": "down", "disconnect": "down", "deactivate": "down", "disable": "down",
	"ls": "list", "status": "list", "tunnels": "list", "info": "show", "get": "show", "detail": "show",
	"test": "verify", "check": "verify", "ping": "verify", "diagnose": "doctor", "health": "doctor", "checkup": "doctor",
	"routes": "route", "wizard": "nmgre alone, on a terminal", "tui": "nmgre alone, on a terminal",
	"route add": "add", "route new": "add", "route create": "add", "route append": "add",
	"route change": "replace", "route edit": "replace", "route modify": "replace", "route set": "replace",
	"route rm": "delete", "route del": "delete", "route remove": "delete", "route flush": "delete",
	"route ls": "list", "route show": "list", "route get": "list",
	"rule new": "add", "rule create": "add", "rule append": "add", "rule rm": "delete", "rule del": "delete", "rule remove": "delete", "rule flush": "delete",
	"rule ls": "list", "rule show": "list", "rule get": "list",
}

// suggestions are the commands below cmd, and the topics, that word may stand for: the one that
// people mean by it, or else those that are spelled alike.
func suggestions(cmd *cobra.Command, word string, topics []string) []string {
	below := strings.TrimPrefix(cmd.CommandPath()+" ", cmd.Root().Name()+" ")
	if name, known := Meant[below+strings.ToLower(word)]; known {
		return []string{name}
	}
	list := &cobra.Command{SuggestionsMinimumDistance: cmd.SuggestionsMinimumDistance}
	for _, name := range topics {
		list.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	near := slices.Compact(slices.Sorted(slices.Values(append(cmd.SuggestionsFor(word), list.SuggestionsFor(word)...))))
	if len(word) < 5 { // of so short a word two other letters make another word
		near = slices.DeleteFunc(near, func(name string) bool { return !strings.HasPrefix(name, word[:min(len(word), 2)]) })
	}
	return near
}

// UnknownCommand refuses a word that is not a command below cmd, nor one of the topics of help, and
// suggests similar ones. Below route and rule it may be a tunnel's name.
func UnknownCommand(cmd *cobra.Command, word string, topics ...string) error {
	return unknown(cmd, word, topics)
}

// UnknownTopic is UnknownCommand for a word that help was asked about. Where nothing is similar, it
// names the pages that have the word.
func UnknownTopic(cmd *cobra.Command, word string, topics, pages []string) error {
	err := unknown(cmd, word, topics)
	if len(topics) > 0 && len(pages) > 0 && len(suggestions(cmd, word, topics)) == 0 {
		err.Hint = "it is explained in: " + cmd.CommandPath() + " help " + strings.Join(pages, ", or "+cmd.CommandPath()+" help ")
	}
	return err
}

func unknown(cmd *cobra.Command, word string, topics []string) *fault.Error {
	hint, neither := cmd.CommandPath()+" --help lists the commands", ""
	if !cmd.HasSubCommands() {
		hint = "to explain " + cmd.CommandPath() + ": " + cmd.CommandPath() + " --help"
	}
	if len(topics) > 0 {
		hint, neither = cmd.CommandPath()+" help lists the commands and the topics", ", and no such topic"
	}
	switch near := suggestions(cmd, word, topics); {
	case len(near) > 0:
		hint = "did you mean " + strings.Join(near, " or ")
	case cmd.HasParent() && (cmd.Name() == "route" || cmd.Name() == "rule"):
		hint = "to list a tunnel's " + cmd.Name() + "s: " + cmd.CommandPath() + " list " + fault.Operand(word)
	}
	command := strings.TrimPrefix(cmd.CommandPath()+" ", cmd.Root().Name()+" ") + fault.Printable(word)
	return &fault.Error{Kind: fault.ErrInvalid, What: "there is no command " + command + neither, Hint: hint}
}

// MeantFlags has the flags that people mean by words of other programs.
var MeantFlags = map[string]string{
	"dst": "--peer", "dest": "--peer", "destination": "--peer", "to": "--peer", "remote-address": "--peer", "endpoint": "--peer", "p": "--peer",
	"src": "--local", "source": "--local", "local-ip": "--local", "local-address": "--local", "remote-ip": "--peer", "peer-ip": "--peer", "from": "--local", "l": "--local",
	"ip": "--address", "addr": "--address", "inner": "--address", "a": "--address", "inner-address": "--address",
	"gateway": "--route '10.10.2.0/24 via 172.16.0.2'", "via": "--route '10.10.2.0/24 via 172.16.0.2'", "gw": "--route '10.10.2.0/24 via 172.16.0.2'",
	"dev": "--parent", "interface": "--name", "ifname": "--name", "con-name": "--name", "type": "--mode", "ikey": "--input-key", "okey": "--output-key",
	"routes": "--route", "nat": "--snat", "masquerade": "--snat DEST=masquerade", "r": "--route", "k": "--key", "n": "--name", "m": "--mode",
}

// Flag is the hint about an unknown flag, in the words of pflag's error; empty if nobody knows the
// flag that is meant.
func Flag(cmd *cobra.Command, text string) string {
	name, isLong := strings.CutPrefix(text, "unknown flag: --")
	if !isLong {
		rest, isShort := strings.CutPrefix(text, "unknown shorthand flag: '")
		if !isShort || rest == "" {
			return ""
		}
		name = rest[:1]
	}
	flag := MeantFlags[name]
	word, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), " ")
	if flag == "" || cmd.Flags().Lookup(word) == nil {
		return ""
	}
	return "did you mean " + flag
}
