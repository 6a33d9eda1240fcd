package draw

// Sparkline draws the last values, the newest at the right, each as high as its part of the
// greatest.
func (th Theme) Sparkline(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	out := ""
	top := len(th.bars) - 1
	for _, v := range values {
		i := 0
		if v > 0 && most > 0 {
			i = max(int(v/most*float64(top)+0.5), 1)
		}
		out += th.bars[i]
	}
	return out
}
