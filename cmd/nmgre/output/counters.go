package output

import "nmgre/routes/kernel"

// counterForm has each counter by its name, and once more by the one that it had at first.
type counterForm struct {
	kernel.Counters
	RxPackets       uint64 `json:"rx_packets"`
	TxPackets       uint64 `json:"tx_packets"`
	RxBytes         uint64 `json:"rx_bytes"`
	TxBytes         uint64 `json:"tx_bytes"`
	RxErrors        uint64 `json:"rx_errors"`
	TxErrors        uint64 `json:"tx_errors"`
	RxDropped       uint64 `json:"rx_dropped"`
	TxDropped       uint64 `json:"tx_dropped"`
	TxCarrierErrors uint64 `json:"tx_carrier_errors"`
	Collisions      uint64 `json:"collisions"`
	RxCRCErrors     uint64 `json:"rx_crc_errors"`
	RxFIFOErrors    uint64 `json:"rx_fifo_errors"`
}

func newCounters(c kernel.Counters) counterForm {
	return counterForm{c, c.RxPackets, c.TxPackets, c.RxBytes, c.TxBytes, c.RxErrors, c.TxErrors, c.RxDropped, c.TxDropped,
		c.TxCarrierErrors, c.Collisions, c.RxCRCErrors, c.RxFIFOErrors}
}
