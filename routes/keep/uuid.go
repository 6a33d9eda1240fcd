package keep

import "nmgre/routes/ident"

// IsUUID is [ident.IsUUID].
func IsUUID(s string) bool { return ident.IsUUID(s) }

// IsHostName is [ident.IsHostName].
func IsHostName(text string) bool { return ident.IsHostName(text) }
