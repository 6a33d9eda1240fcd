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

// The helper, as polkit's policy describes it.
const (
	// Action is the polkit action that permits running it.
	Action = "org.nmgre.keep"
	// Command is the command of nmgre that runs it.
	Command = "helper"

	// Up to polkit 122, this is the only folder for policies.
	policyFile = "/usr/share/polkit-1/actions/org.nmgre.policy"
	pkexecFile = "/usr/bin/pkexec"
	agentFile  = "/usr/bin/pkttyagent"

	maxPolicy   = 64 << 10 // bytes
	annotations = "org.freedesktop.policykit.exec."
)

// policyXML is the part of a policy that names the program of an action.
type policyXML struct {
	Actions []struct {
		ID       string `xml:"id,attr"`
		Annotate []struct {
			Key   string `xml:"key,attr"`
			Value string `xml:",chardata"`
		} `xml:"annotate"`
	} `xml:"action"`
}

// MayKeep returns nil if pkexec is there, and polkit's policy is for this very program. Only
// polkit's answer to a request tells whether the caller is permitted.
func (k *Keeper) MayKeep() error {
	missing := func(err error, format string, args ...any) error {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: fmt.Sprintf(format, args...), Hint: fault.HintRoot, Err: err}
	}
	if k.Exe == "" {
		return missing(nil, "nmgre cannot find out where it is installed")
	}
	if err := unix.Access(k.Pkexec, unix.X_OK); err != nil {
		return missing(nil, "%s is not installed, and nmgre needs it to ask for permission", k.Pkexec)
	}
	program, err := k.Program()
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

// Program returns the path of the program that polkit's policy is for. It fails with os.ErrNotExist
// if there is no policy.
func (k *Keeper) Program() (string, error) {
	file, err := os.Open(k.Policy)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	program, err := programIn(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", k.Policy, err)
	}
	return program, nil
}

// programIn is Program for the text of a policy.
func programIn(r io.Reader) (string, error) {
	var policy policyXML
	if err := xml.NewDecoder(io.LimitReader(r, maxPolicy)).Decode(&policy); err != nil {
		return "", err
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
	return "", errors.New("it has no action " + Action)
}
