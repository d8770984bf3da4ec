package ratelimit

import "time"

// Internals for the tests.
const Life = life

func (p *Permit) Started() time.Time { return p.started }
