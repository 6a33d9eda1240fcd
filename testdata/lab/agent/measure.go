package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// measureMain runs a command, and writes to standard output how many kilobytes of memory its
// largest process had. Linux counts the memory of whoever starts a process, too, until that becomes
// its own program (getrusage(2)): a test program is larger than the command that it measures, and
// this one is not.
func measureMain(args []string) int {
	if len(args) == 0 {
		usage()
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		return 127
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		fmt.Println(usage.Maxrss)
	}
	return cmd.ProcessState.ExitCode()
}
