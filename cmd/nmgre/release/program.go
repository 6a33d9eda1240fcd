package release

import (
	"fmt"
	"os"
	"path/filepath"
)

// ProgramFile returns the file of the program that runs, without symbolic links. Where there is no
// /proc, as in a root that is being made, it is the one that was called by its whole path.
func ProgramFile() (string, error) { return programFile(os.Executable, os.Args[0]) }

func programFile(executable func() (string, error), called string) (string, error) {
	exe, err := executable()
	if err != nil && filepath.IsAbs(called) {
		exe, err = called, nil
	}
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return "", fmt.Errorf("find the program file of nmgre: %w", err)
	}
	return exe, nil
}
