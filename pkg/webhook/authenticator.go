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

// authenticator checks the credentials of requests. It is immutable: Handler.SetCredentials makes a new one.
type authenticator struct {
	accepted             []credentialHash
	allowUnauthenticated bool
}

// credentialHash holds hashes of credentials. They all have the same size, so that each
// comparison takes the same time.
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

// authenticate reports whether the request may be served. It compares with all accepted
// credentials, so that its duration does not reveal how much of the given ones is right.
func (a *authenticator) authenticate(r *http.Request) bool {
	if a.allowUnauthenticated {
		return true
	}
	username, password, ok := r.BasicAuth()
	given := hashCredentials(username, password)
	matches := 0
	for _, accepted := range a.accepted {
		matches |= subtle.ConstantTimeCompare(accepted.username[:], given.username[:]) &
			subtle.ConstantTimeCompare(accepted.password[:], given.password[:])
	}
	return ok && matches == 1
}
