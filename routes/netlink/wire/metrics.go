package wire

import (
	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// wireMetrics are the metrics of a route (RTA_METRICS). The MTU, which most routes with metrics
// have alone, stands by itself so that reading it takes no memory.
type wireMetrics struct {
	Mtu  uint32
	lock uint32 // by metric: bit 1<<metric
	// the others; the route's that this was made from: not to be changed. Its locks stand in lock
	more *routes.Metrics
}

// newWireMetrics takes the metrics of a route.
func newWireMetrics(r *routes.Route) wireMetrics {
	m := wireMetrics{Mtu: r.MTU}
	if r.MTULock {
		m.lock = 1 << routes.MetricMTU
	}
	if r.Metrics == nil {
		return m
	}
	m.lock |= r.Metrics.Lock
	if _, found := r.Metrics.Get(routes.MetricRTOMin); found {
		m.lock |= 1 << routes.MetricRTOMin // as `ip route` does it
	}
	if r.Metrics.Set>>firstValued != 0 || r.Metrics.CongCtl != "" {
		m.more = r.Metrics
	}
	return m
}

// valued are the metrics whose value is a number, but the MTU.
const (
	firstValued = routes.MetricWindow
	lastValued  = routes.MetricFastOpen
)

// append appends RTA_METRICS, if there are any.
func (m wireMetrics) append(b []byte) []byte {
	if m.Mtu == 0 && m.lock == 0 && m.more == nil {
		return b
	}
	b, start := openAttribute(b, unix.RTA_METRICS)
	if m.Mtu != 0 {
		b = AppendUint32(b, unix.RTAX_MTU, m.Mtu)
	}
	if m.more != nil {
		b = appendMore(b, m.more)
	}
	if m.lock != 0 {
		b = AppendUint32(b, unix.RTAX_LOCK, m.lock)
	}
	return closeAttribute(b, start)
}

func appendMore(b []byte, m *routes.Metrics) []byte {
	for metric := firstValued; metric <= lastValued; metric++ {
		if metric == routes.MetricCongCtl && m.CongCtl != "" {
			b = AppendAttribute(b, uint16(metric), []byte(m.CongCtl))
		} else if value, found := m.Get(metric); found && metric != routes.MetricCongCtl {
			b = AppendUint32(b, uint16(metric), value)
		}
	}
	return b
}

// metrics reads RTA_METRICS; foreign is set when there are some that nmgre does not know.
func (r *Values) metrics(v []byte, foreign *bool) wireMetrics {
	var m wireMetrics
	a := attributes{rest: v}
	for a.next() && r.Err == nil {
		switch metric := routes.Metric(min(a.kind, 0xff)); {
		case metric == routes.MetricMTU:
			m.Mtu = r.Uint32(a.value)
		case metric == routes.MetricLock:
			m.lock = r.Uint32(a.value)
		case metric < firstValued || metric > lastValued:
			*foreign = true
		case metric == routes.MetricCongCtl:
			m.others().CongCtl = congCtl(a.value, foreign)
		default:
			m.others().Put(metric, r.Uint32(a.value))
		}
	}
	if r.Err == nil {
		r.Err = a.err
	}
	return m
}

func (m *wireMetrics) others() *routes.Metrics {
	if m.more == nil {
		m.more = new(routes.Metrics)
	}
	return m.more
}

// maxCongCtl is the longest name of a congestion control algorithm (TCP_CA_NAME_MAX, less its end).
const maxCongCtl = 15

// congCtl reads an algorithm's name, with or without a zero byte at its end.
func congCtl(v []byte, foreign *bool) string {
	name := unix.ByteSliceToString(v)
	if name == "" || len(name) > maxCongCtl || fault.Printable(name) != name {
		*foreign = true
		return ""
	}
	return name
}

// value returns a metric as the kernel would keep it: it limits some, and takes 0 for absent.
func (m wireMetrics) value(metric routes.Metric) uint32 {
	if metric == routes.MetricMTU {
		return min(m.Mtu, 65535-15)
	}
	value, _ := m.more.Get(metric)
	switch metric {
	case routes.MetricAdvMSS:
		return min(value, 65535-40)
	case routes.MetricHopLimit:
		return min(value, 255)
	default:
		return value
	}
}

func (m wireMetrics) congCtl() string {
	if m.more == nil {
		return ""
	}
	return m.more.CongCtl
}

// same says whether the kernel would keep the same metrics.
func (m wireMetrics) same(o wireMetrics) bool {
	if m.lock != o.lock || m.value(routes.MetricMTU) != o.value(routes.MetricMTU) {
		return false
	}
	if m.more == o.more { // mostly there are none
		return true
	}
	for metric := firstValued; metric <= lastValued; metric++ {
		if metric != routes.MetricCongCtl && m.value(metric) != o.value(metric) {
			return false
		}
	}
	return m.congCtl() == o.congCtl()
}

// split returns the metrics in the domain's form.
func (m wireMetrics) split() (mtu uint32, lock bool, others *routes.Metrics) {
	const mtuLock = 1 << routes.MetricMTU
	if locks := m.lock &^ mtuLock; locks != 0 || m.more != nil {
		others = new(routes.Metrics)
		if m.more != nil {
			*others = *m.more
		}
		others.Lock = locks
	}
	return m.Mtu, m.lock&mtuLock != 0, others
}
