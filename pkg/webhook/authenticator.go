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

// authenticator checks the credentials of requests. It is immutable; SetCredentials replaces
// it.
type authenticator struct {
	accepted             []credentialHash
	allowUnauthenticated bool
}

// credentialHash has the same size for all credentials, so that comparisons take the same
// time.
type credentialHash struct{ username, password [sha256.Size]byte }

func hashCredentials(username, password string) credentialHash {
	return credentialHash{sha256.Sum256([]byte(username)), sha256.Sum256([]byte(password))}
}

func newAuthenticator(accepted []Credentials, allowUnauthenticated bool) *authenticator {
	a := &authenticator{allowUnauthenticated: allowUnauthenticated}
	for _, credentials := range accepted {
		a.accepted = append(a.accepted, hashCredentials(credentials.Username, credentials.Password))
	}
	return a
}

// authenticate compares with all accepted credentials, so that its duration reveals nothing
// about the difference.
func (a *authenticator) authenticate(r *http.Request) bool {
	if a.allowUnauthenticated {
		return true
	}
	username, password, ok := r.BasicAuth()
	given := hashCredentials(username, password)
	equal := 0
	for _, accepted := range a.accepted {
		equal |= subtle.ConstantTimeCompare(accepted.username[:], given.username[:]) &
			subtle.ConstantTimeCompare(accepted.password[:], given.password[:])
	}
	return ok && equal == 1
}
