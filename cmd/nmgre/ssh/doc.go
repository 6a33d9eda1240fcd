// Package ssh runs the user's own OpenSSH, with their configuration, agent and jump hosts, and has
// it start nmgre on another host. It depends on the standard library and routes/fault alone.
package ssh
