package place

// PlaceOf is the table.
var PlaceOf = placeOf
