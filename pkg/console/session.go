package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

const (
	cookieName      = "billable_console"
	sessionLifetime = 12 * time.Hour
)

// session is a login. It is immutable.
type session struct {
	csrf    string // token in each form
	expires time.Time
}

// sessions holds the sessions, by the digest of the session id, which is in a cookie.
type sessions struct {
	cfg Config

	mu        sync.Mutex
	tokenUsed bool // a token for one login was used
	byDigest  map[[sha256.Size]byte]session
}

// login starts a session and sets its cookie. It returns false if the token is wrong or was used before.
func (s *sessions) login(w http.ResponseWriter, token string) bool {
	given, right, id := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.cfg.Token)), rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if subtle.ConstantTimeCompare(given[:], right[:]) == 0 || s.tokenUsed {
		return false
	}
	s.tokenUsed = !s.cfg.TokenReusable
	s.byDigest[sha256.Sum256([]byte(id))] = session{csrf: rand.Text(), expires: s.cfg.Now().Add(sessionLifetime)}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure where there is TLS: loopback may have none
		Name: cookieName, Value: id, Path: "/", MaxAge: int(sessionLifetime.Seconds()), Secure: s.cfg.Certificate != nil, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return true
}

// find returns the session of the cookie, if it has not expired.
func (s *sessions) find(r *http.Request) (_ session, ok bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byDigest[sha256.Sum256([]byte(cookie.Value))]
	return found, ok && s.cfg.Now().Before(found.expires)
}

// allows reports whether a request carries the CSRF token of the session.
func (s session) allows(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(s.csrf)) == 1
}
