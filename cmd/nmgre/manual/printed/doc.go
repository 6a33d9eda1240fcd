// Package printed writes the manual for man(1) and for browsers: a page for each command, from the
// texts that --help shows, and one for each topic. It is for those who build and package nmgre, by
// `make man` and `make docs`, and only in a program that was built with the tag "man".
package printed
