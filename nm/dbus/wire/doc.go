// Package wire translates between a tunnel and the settings that NetworkManager keeps of it:
// [Encode] and [Decode]. It is pure: it knows godbus' types and touches no bus.
//
// Nothing is lost on the way: settings, attributes and routes that nmgre does not know stay in a
// profile as they are. Begin with [Settings], then settings.go for the names of NetworkManager's
// settings, and route.go for the attributes of a route.
package wire
