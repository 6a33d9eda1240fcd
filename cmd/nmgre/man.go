//go:build man

package main

import "nmgre/cmd/nmgre/manual/printed"

// The commands that write the manual are only in a program that was built with the tag "man".
func init() { manCommands = printed.Commands }
