package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"embed"
	"errors"
	"html/template"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/escape"
	"github.com/billable-events/billable/pkg/inspect"
)

const (
	maxBody     = 1 << 20          // bytes of a form
	readTimeout = 90 * time.Second // to read what a page shows
)

// headers are set on every response. The Content-Security-Policy permits only what the console itself serves.
var headers = map[string]string{
	"Content-Security-Policy":    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":     "nosniff",
	"Referrer-Policy":            "same-origin",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cache-Control":              "no-store",
}

//go:embed templates assets
var embedded embed.FS

// Config configures a Console. Certificate may be nil.
type Config struct {
	Operations    Operations
	Caller        string // who runs the console, for the log
	ReadOnly      bool   // refuse all actions
	Token         string // for one login
	TokenReusable bool   // Token is for any number of logins
	Certificate   *tls.Certificate
	Now           func() time.Time
	Log           zerolog.Logger
}

// Console serves the page.
type Console struct {
	cfg       Config
	sessions  *sessions
	jobs      *jobs
	samples   *sampler
	overview  overview
	templates *template.Template
	mux       *http.ServeMux
}

// New returns a console. The caller must also call Run, which takes samples.
func New(cfg Config) *Console {
	c := &Console{
		cfg: cfg, sessions: &sessions{cfg: cfg, byDigest: map[[sha256.Size]byte]session{}}, jobs: newJobs(cfg), samples: &sampler{cfg: cfg},
		templates: template.Must(template.New("").Funcs(functions).ParseFS(embedded, "templates/*.html")), mux: http.NewServeMux(),
	}
	c.mux.Handle("GET /assets/", http.FileServerFS(embedded))
	c.mux.HandleFunc("/login", c.login)
	c.page("GET /{$}", c.showOverview)
	c.page("GET /live", c.showLive)
	c.page("GET /dead-letters", c.listDeadLetters)
	c.page("GET /dead-letter", c.showDeadLetter)
	c.page("GET /invoices", c.listInvoices)
	c.page("GET /invoice", c.showInvoice)
	c.page("GET /calls", c.showCalls)
	c.page("GET /job", c.showJob)
	c.action("POST /dead-letters/replay", c.replay)
	c.action("POST /dead-letters/discard", c.discard)
	c.action("POST /invoice/release", c.release)
	c.action("POST /calls/pause", c.pause)
	c.action("POST /calls/resume", c.resume)
	c.action("POST /job/confirm", c.confirm)
	c.action("POST /job/stop", c.stop)
	return c
}

// Run takes samples until ctx ends. Then it cancels the running job and waits until that has ended.
func (c *Console) Run(ctx context.Context) {
	ticks := time.NewTicker(sampleInterval)
	defer ticks.Stop()
	for ctx.Err() == nil {
		c.samples.take(ctx)
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
	}
	c.jobs.close()
}

// ServeHTTP serves a request, unless its Host header is of another server or it comes from another site.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch {
	case !c.isOwnHost(r.Host): // an attack by DNS rebinding
		http.Error(w, "this console has another name: use the address that it printed", http.StatusMisdirectedRequest)
	case http.NewCrossOriginProtection().Check(r) != nil:
		http.Error(w, "the request comes from another site", http.StatusForbidden)
	default:
		c.mux.ServeHTTP(w, r)
	}
}

// isOwnHost reports whether the Host header is localhost, a loopback address or a name in the certificate.
func (c *Console) isOwnHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return host == "localhost" || net.ParseIP(host).IsLoopback() || c.cfg.Certificate != nil && c.cfg.Certificate.Leaf.VerifyHostname(host) == nil
}

// request is a request with a valid session.
type request struct {
	*http.Request

	session session
}

// response is a page, or a redirect.
type response struct {
	template, title string
	data            any
	location        string // of a redirect
}

// page registers a handler of requests with a session. Requests without a session are redirected to the login. An
// error of the handler becomes a page.
func (c *Console) page(pattern string, handle func(request) (response, error)) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		found, ok := c.sessions.find(r)
		if !ok {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
		defer cancel()
		resp, err := handle(request{r.WithContext(ctx), found})
		switch {
		case err != nil:
			c.render(w, found, statusOf(err), response{template: "error", title: "Error", data: err.Error()})
		case resp.location != "":
			http.Redirect(w, r, resp.location, http.StatusSeeOther)
		default:
			c.render(w, found, http.StatusOK, resp)
		}
	})
}

// action registers a handler that can change something. A request needs the CSRF token of its session. A read-only
// console refuses all of them.
func (c *Console) action(pattern string, handle func(request) (response, error)) {
	c.page(pattern, func(r request) (response, error) {
		switch {
		case c.cfg.ReadOnly:
			return response{}, httpError{http.StatusForbidden, "this console is read-only: start it without --read-only to change something"}
		case !r.session.allows(r.Request):
			return response{}, httpError{http.StatusForbidden, "the form is not of this session: reload the page, and send it again"}
		default:
			return handle(r)
		}
	})
}

type httpError struct {
	status int
	text   string
}

func (e httpError) Error() string { return e.text }

func statusOf(err error) int {
	found, ok := errors.AsType[httpError](err)
	switch {
	case ok:
		return found.status
	case errors.Is(err, deadletter.ErrUnknown), errors.Is(err, inspect.ErrUnknown):
		return http.StatusNotFound
	default: // most are errors of AWS or Chargebee
		return http.StatusBadGateway
	}
}

func errBadRequest(text string) error { return httpError{http.StatusBadRequest, text} }

type view struct {
	Title, Page  string // Page is the name of the template
	CSRF, Caller string
	ReadOnly     bool
	Now          time.Time
	Data         any
}

// render writes a page, or a part of a page. It escapes control characters: events and Chargebee can contain them.
func (c *Console) render(w http.ResponseWriter, s session, status int, resp response) {
	var out bytes.Buffer
	data := view{resp.title, resp.template, s.csrf, c.cfg.Caller, c.cfg.ReadOnly, c.cfg.Now(), resp.data}
	if err := c.templates.ExecuteTemplate(&out, resp.template, data); err != nil {
		c.cfg.Log.Error().Err(err).Str("page", resp.template).Msg("page not rendered")
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, escape.Text(out.String())) // fails if the client has gone
}

// login starts a session if the request has the right token, else it shows the form for the token. Only a token for
// one login is also accepted in the URL: the console prints such a link.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token")
	if !c.cfg.TokenReusable {
		token = r.FormValue("token")
	}
	form := response{template: "login", title: "Log in"}
	switch {
	case token == "":
		c.render(w, session{}, http.StatusOK, form)
	case !c.sessions.login(w, token):
		c.cfg.Log.Warn().Str("remote", r.RemoteAddr).Msg("console login refused")
		form.data = "The token is wrong, or was used before."
		c.render(w, session{}, http.StatusUnauthorized, form)
	default:
		c.cfg.Log.Info().Str("remote", r.RemoteAddr).Msg("console login")
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}
