// Package doctor judges a host: [Facts] in, [Findings] out. It is pure: it reads nothing. Its
// report is made to be shown to others, in a bug report. So nothing foreign gets into it: addresses
// are shortened by [Names], and names of hosts, users, profiles, devices, tables and networks have
// no field. Begin at [Diagnose].
package doctor
