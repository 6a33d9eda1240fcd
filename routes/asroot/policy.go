package asroot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// What polkit knows of the helper.
const (
	// Action is polkit's name of it.
	Action = "org.nmgre.keep"
	// Command is the word after the program's name that runs it.
	Command = "helper"

	// up to polkit 122 the only folder for it
	policyFile = "/usr/share/polkit-1/actions/org.nmgre.policy"
	pkexecFile = "/usr/bin/pkexec"
	agentFile  = "/usr/bin/pkttyagent"

	maxPolicy   = 64 << 10 // bytes
	annotations = "org.freedesktop.policykit.exec."
)

// policyXML is the part of a policy that says which program an action is for.
type policyXML struct {
	Actions []struct {
		ID       string `xml:"id,attr"`
		Annotate []struct {
			Key   string `xml:"key,attr"`
			Value string `xml:",chardata"`
		} `xml:"annotate"`
	} `xml:"action"`
}

// MayKeep returns nil if pkexec is there, and polkit knows this very program. Whether it will let
// the caller have it done is not known before.
func (k *Keeper) MayKeep() error {
	missing := func(err error, format string, args ...any) error {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: fmt.Sprintf(format, args...), Hint: fault.HintRoot, Err: err}
	}
	if k.Exe == "" {
		return missing(nil, "nmgre cannot find out where it is installed")
	}
	if err := unix.Access(k.Pkexec, unix.X_OK); err != nil {
		return missing(nil, "%s is not installed, which could ask for the right to do it", k.Pkexec)
	}
	program, err := k.program()
	if errors.Is(err, os.ErrNotExist) {
		return missing(nil, "polkit does not know nmgre: %s is not installed", k.Policy)
	}
	if err != nil {
		return missing(err, "polkit does not know nmgre")
	}
	if program != k.Exe {
		return missing(nil, "polkit knows another nmgre, %s, not %s", fault.Printable(program), fault.Printable(k.Exe))
	}
	return nil
}

// program returns which program the policy is for.
func (k *Keeper) program() (string, error) {
	file, err := os.Open(k.Policy)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	var policy policyXML
	if err := xml.NewDecoder(io.LimitReader(file, maxPolicy)).Decode(&policy); err != nil {
		return "", fmt.Errorf("%s: %w", k.Policy, err)
	}
	for _, action := range policy.Actions {
		about := make(map[string]string)
		for _, a := range action.Annotate {
			about[a.Key] = strings.TrimSpace(a.Value)
		}
		if action.ID == Action && about[annotations+"argv1"] == Command {
			return about[annotations+"path"], nil
		}
	}
	return "", fmt.Errorf("%s has no action %s", k.Policy, Action)
}
