// Package output writes the commands' standard output: texts and tables for people, and the JSON
// forms, which are a contract. Values come in, text goes out: it knows no host, no command line and
// no terminal.
//
// Begin with text.go; forms.go has the JSON forms.
package output
