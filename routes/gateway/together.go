package gateway

import (
	"context"
	"sync"

	"nmgre/routes/keep"
)

// Together implements [keep.Gateway]. The rules are read when they are asked for first.
func (g *Gateway) Together() (keep.Gateway, func()) {
	v := &view{Gateway: g}
	return v, v.close
}

// view is a [Gateway] that reads the rules once. One question is answered at a time.
type view struct {
	*Gateway

	mu        sync.Mutex
	survey    *survey
	surveyErr error
	own       map[chain]state // nmgre's tables; nil until they are read
}

// surveyed returns the survey. The end of ctx is no lasting error.
func (v *view) surveyed(ctx context.Context) (*survey, error) {
	if v.survey != nil || v.surveyErr != nil {
		return v.survey, v.surveyErr
	}
	s, err := newSurvey(ctx)
	if ctx.Err() == nil {
		v.survey, v.surveyErr = s, err
	}
	return s, err
}

// OuterRules implements [keep.Gateway].
func (v *view) OuterRules(ctx context.Context, p keep.OuterPackets) (keep.OuterRules, error) {
	if err := checkOuter(p); err != nil {
		return keep.OuterRules{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s, err := v.surveyed(ctx)
	return outerRules(ctx, s, err, p)
}

// Obstacles implements [keep.Gateway].
func (v *view) Obstacles(ctx context.Context, devs []string) ([]keep.Obstacle, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, err := v.surveyed(ctx)
	if err != nil {
		return nil, err
	}
	return v.obstacles(ctx, s.between(devs))
}

// Missing implements [keep.Gateway].
func (v *view) Missing(ctx context.Context, want []keep.Rule) ([]int, error) {
	if len(want) == 0 {
		return nil, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.own == nil {
		conn, err := dial(ctx)
		if err != nil {
			return nil, failed("read nmgre's rules", err)
		}
		if v.own, err = read(conn); err != nil {
			return nil, err
		}
	}
	return missing(v.own, want), nil
}

// Together implements [keep.Gateway]: the rules that were read serve for more.
func (v *view) Together() (keep.Gateway, func()) { return v, func() {} }

func (v *view) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.survey != nil {
		v.survey.close()
		v.survey = nil
	}
}
