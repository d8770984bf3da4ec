package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Credentials are a user name and a password for HTTP Basic authentication.
type Credentials struct {
	Username string
	Password string
}

// guard knows who may send webhooks. It is not changed: another takes its place.
type guard struct {
	accepted []digests
	anyone   bool
}

// digests have the same length whatever was hashed, so that comparing them takes the
// same time.
type digests struct{ username, password [sha256.Size]byte }

func digestsOf(username, password string) digests {
	return digests{sha256.Sum256([]byte(username)), sha256.Sum256([]byte(password))}
}

func newGuard(accepted []Credentials, anyone bool) *guard {
	g := &guard{anyone: anyone}
	for _, credentials := range accepted {
		g.accepted = append(g.accepted, digestsOf(credentials.Username, credentials.Password))
	}
	return g
}

// admits compares with all that is accepted, to the end: how long it takes says
// nothing about which part was wrong.
func (g *guard) admits(r *http.Request) bool {
	if g.anyone {
		return true
	}
	username, password, given := r.BasicAuth()
	offered := digestsOf(username, password)
	admitted := 0
	for _, accepted := range g.accepted {
		admitted |= subtle.ConstantTimeCompare(accepted.username[:], offered.username[:]) &
			subtle.ConstantTimeCompare(accepted.password[:], offered.password[:])
	}
	return given && admitted == 1
}
