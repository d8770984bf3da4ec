package ratelimit

import "time"

// What the tests have to see of permits.
const Life = life

func (p *Permit) Started() time.Time { return p.started }
