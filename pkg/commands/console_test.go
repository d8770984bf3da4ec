package commands_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
)

const callerARN = "arn:aws:sts::123456789012:assumed-role/operator/ada"

// answerCallerIdentity is STS.
func answerCallerIdentity(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/xml")
	_, _ = fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>%s</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`, callerARN)
}

// lineWriter hands out what is written to it.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// console is a running consumer console, and a client of it.
type console struct {
	*testing.T
	login  string // the printed link
	base   string
	client *http.Client
	csrf   string
	log    *log
}

// startConsole starts the command, which ends with the test.
func (d *deployment) startConsole(flags ...string) *console {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdout := make(lineWriter, 10)
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	c := &console{T: d.t, log: &log{lines: make(chan string, 10000)}, client: &http.Client{Jar: jar}}
	code := make(chan int, 1)
	go func() {
		code <- commands.Main(ctx, cli.Process{Args: append([]string{"console", "--addr", "127.0.0.1:0"}, flags...), Environ: d.environ, Stdout: stdout, Stderr: c.log})
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if got := <-code; got != 0 {
			d.t.Errorf("the console ended with %d: %s", got, c.log.text.String())
		}
	})
	d.t.Cleanup(stop)
	select {
	case line := <-stdout:
		c.login = regexp.MustCompile(`https?://\S+`).FindString(line)
	case <-time.After(30 * time.Second):
		d.t.Fatalf("the console printed nothing:\n%s", c.log.text.String())
	}
	address, err := url.Parse(c.login)
	if err != nil {
		d.t.Fatal(err)
	}
	c.base = address.Scheme + "://" + address.Host
	return c
}

// enter logs in with the printed link.
func (c *console) enter() *console {
	c.Helper()
	body := c.get(c.login[len(c.base):], http.StatusOK)
	if !strings.Contains(body, "<h1>Overview</h1>") {
		c.Fatalf("the login shows %s", body)
	}
	return c
}

func (c *console) do(request *http.Request) (status int, body string, header http.Header) {
	c.Helper()
	response, err := c.client.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

func (c *console) request(method, path string, form url.Values) *http.Request {
	c.Helper()
	request, err := http.NewRequestWithContext(c.Context(), method, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request
}

func (c *console) get(path string, want int) string {
	c.Helper()
	status, body, _ := c.do(c.request(http.MethodGet, path, nil))
	if status != want {
		c.Fatalf("GET %s: %d, want %d: %s", path, status, want, body)
	}
	return body
}

var csrfField = regexp.MustCompile(`name="csrf" value="(\w+)"`)

// post sends a form with the CSRF token, and follows the redirect. It returns the page of a job once the job has
// ended, or waits.
func (c *console) post(path string, want int, pairs ...string) string {
	c.Helper()
	if c.csrf == "" {
		c.csrf = csrfField.FindStringSubmatch(c.get("/calls", http.StatusOK))[1]
	}
	form := url.Values{"csrf": {c.csrf}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	status, body, _ := c.do(c.request(http.MethodPost, path, form))
	if status != want {
		c.Fatalf("POST %s %v: %d, want %d: %s", path, pairs, status, want, body)
	}
	const running = `data-refresh="/job?progress`
	for deadline := time.Now().Add(time.Minute); strings.Contains(body, running) && !strings.Contains(body, "Waiting:"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("the job does not end: %s", body)
		}
		body = c.get("/job?id="+jobField.FindStringSubmatch(body)[1], http.StatusOK)
	}
	return body
}

// The pages show the state of the deployment.
func TestConsole_Pages(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 3)
	d.hold("draft_ev_001", 100, 20)
	rejected, _, _ := d.rejectWithLine("sub_page")
	d.event("sub_new", "e1", "7", "EUR")
	planned, _ := d.renew("sub_new")
	c := d.startConsole().enter()
	for path, wants := range map[string][]string{
		"/":                                {"<h1>Overview</h1>", `<dd id="dead"><a href="/dead-letters">3</a>`, "EUR 1.20", "too_old", "rejected", "<polyline", callerARN},
		"/live":                            {"waiting in the queue"},
		"/dead-letters":                    {"ev_000", "ev_001", "ev_002", "all 3 that match", "EUR 1.20"},
		"/dead-letters?event=ev_001":       {"ev_001", "all 1 that match"},
		"/dead-letters?reason=line_limits": {"There are no dead letters."},
		"/dead-letter?id=ev_001":           {"draft_ev_001", "customer_id", "EUR 1.20", "judges"},
		"/invoices?by=customer&q=customer_of_sub_page": {rejected, "EUR 0.12"},
		"/invoices?by=subscription&q=sub_page":         {rejected},
		"/invoices?by=id&q=" + planned:                 {"What would be charged", "EUR 0.07", "is pending", "new_epoch"},
		"/invoice?id=" + rejected:                      {"Our lines", "Lines at Chargebee", "calls [" + marker + "]", "events were claimed", "resumes_at_line", "<h2>Events</h2>"},
		"/calls":                                       {"are not paused", "Pause all calls: dry run"},
		"/assets/console.css":                          {"prefers-color-scheme"},
	} {
		body := c.get(path, http.StatusOK)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q: %s", path, want, body)
			}
		}
	}
	for path, status := range map[string]int{
		"/dead-letters?older-than=5": http.StatusBadRequest, "/dead-letter?id=unknown": http.StatusNotFound, "/invoice?id=unknown": http.StatusNotFound,
		"/job?id=unknown": http.StatusNotFound, "/unknown": http.StatusNotFound,
	} {
		c.get(path, status)
	}
}

// A request needs a session, a host that names this machine, the origin of the console, and for actions
// the CSRF token.
func TestConsole_Refusals(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	c := d.startConsole()
	stranger := *c
	stranger.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"/", "/live", "/dead-letters", "/dead-letter", "/invoices", "/invoice", "/calls", "/job", "/job?progress"} {
		if status, _, header := stranger.do(stranger.request(http.MethodGet, path, nil)); status != http.StatusSeeOther || header.Get("Location") != "/login" {
			t.Errorf("without a session, %s: %d", path, status)
		}
	}
	stranger.get("/login?token=wrong", http.StatusUnauthorized)
	c.enter()
	stranger.get(c.login[len(c.base):], http.StatusUnauthorized) // the token was used

	address, err := url.Parse(c.base)
	if err != nil {
		t.Fatal(err)
	}
	cookies := c.client.Jar.Cookies(address)
	_, _, header := c.do(c.request(http.MethodGet, "/calls", nil))
	if policy := header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; script-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"as it is":       {func(*http.Request) {}, http.StatusBadRequest}, // there is no reason
		"no token":       {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("note=a")); r.ContentLength = 6 }, http.StatusForbidden},
		"another host":   {func(r *http.Request) { r.Host = "attacker.example:9092" }, http.StatusMisdirectedRequest},
		"a host like it": {func(r *http.Request) { r.Host = "127.0.0.1.attacker.example" }, http.StatusMisdirectedRequest},
		"another origin": {func(r *http.Request) { r.Header.Set("Origin", "https://attacker.example") }, http.StatusForbidden},
		"another site":   {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		"another port":   {func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, http.StatusForbidden},
		"a large form": {func(r *http.Request) {
			form := "x=" + strings.Repeat("a", 2<<20) + "&csrf=" + c.csrf
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
		}, http.StatusForbidden},
		"a tunnel": {func(r *http.Request) { r.Host = "localhost:8080" }, http.StatusBadRequest},
	} {
		c.post("/calls/pause", http.StatusBadRequest) // reads the CSRF token
		request := c.request(http.MethodPost, "/calls/pause", url.Values{"csrf": {c.csrf}})
		test.change(request)
		for _, cookie := range cookies { // the jar has them for one host
			request.AddCookie(cookie)
		}
		if status, body, _ := (&console{T: t, client: &http.Client{}}).do(request); status != test.want {
			t.Errorf("%s: %d, want %d: %s", name, status, test.want, body)
		}
	}
}

// The cookie is not for scripts, other sites, or connections without TLS. The token of a file is for any
// number of logins.
func TestConsole_TLS(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	cert, key, pool := d.certificate()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a token of enough bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{
		{"--addr", "0.0.0.0:0"}, {"--addr", ":0", "--token-file", token}, {"--addr", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key},
		{"--tls-cert", cert}, {"--token-file", "absent"}, {"--token-file", os.DevNull}, {"--addr", "127.0.0.1"},
	} {
		if code, stdout, stderr := d.command(append([]string{"console"}, flags...)...); code != cli.Usage {
			t.Errorf("%v: exit code %d, %s%s", flags, code, stdout, stderr)
		}
	}
	c := d.startConsole("--addr", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key, "--token-file", token)
	c.base = "https://127.0.0.1:" + c.base[strings.LastIndex(c.base, ":")+1:]
	c.client = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for range 2 {
		status, body, header := c.do(c.request(http.MethodPost, "/login", url.Values{"token": {"a token of enough bytes"}}))
		cookie := header.Get("Set-Cookie")
		for _, want := range []string{"HttpOnly", "Secure", "SameSite=Strict"} {
			if status != http.StatusSeeOther || !strings.Contains(cookie, want) {
				t.Errorf("the login: %d, cookie %s: %s", status, cookie, body)
			}
		}
	}
	request := c.request(http.MethodGet, "/login", nil)
	request.Host = "console.example:9092" // a name of the certificate
	if status, body, _ := c.do(request); status != http.StatusOK {
		t.Errorf("by its name: %d: %s", status, body)
	}
}

// certificate writes a certificate for console.example and 127.0.0.1.
func (d *deployment) certificate() (cert, key string, pool *x509.CertPool) {
	d.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"console.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		d.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		d.t.Fatal(err)
	}
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		d.t.Fatal(err)
	}
	pool.AddCert(parsed)
	directory := d.t.TempDir()
	cert, key = filepath.Join(directory, "cert.pem"), filepath.Join(directory, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	return cert, key, pool
}

// A read-only console refuses every action, whatever its pages show.
func TestConsole_ReadOnly(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 2)
	id, _, _ := d.rejectWithLine("sub_read_only")
	c := d.startConsole("--read-only").enter()
	for _, path := range []string{"/dead-letters", "/dead-letter?id=ev_001", "/invoice?id=" + id, "/calls"} {
		if body := c.get(path, http.StatusOK); strings.Contains(body, `method="post"`) && path != "/dead-letters" || strings.Contains(body, "dry run") || !strings.Contains(body, "read-only") {
			t.Errorf("%s: %s", path, body)
		}
	}
	c.csrf = "any"
	for _, path := range []string{
		"/dead-letters/replay", "/dead-letters/discard", "/invoice/release", "/calls/pause", "/calls/resume", "/job/confirm", "/job/stop",
	} {
		if body := c.post(path, http.StatusForbidden, "scope", "all", "note", "a reason", "id", id); !strings.Contains(body, "this console is read-only") {
			t.Errorf("%s: %s", path, body)
		}
	}
}

var jobField = regexp.MustCompile(`name="id" value="(\w+)"`)

// confirm applies the dry run that a page shows.
func (c *console) confirm(dryRun string) string {
	c.Helper()
	if !strings.Contains(dryRun, "Dry run: nothing was changed.") || !strings.Contains(dryRun, "Apply now") {
		c.Fatalf("not a dry run that can be applied: %s", dryRun)
	}
	return c.post("/job/confirm", http.StatusOK, "id", jobField.FindStringSubmatch(dryRun)[1])
}

// An action changes nothing before its dry run is confirmed, and then what the dry run has shown.
func TestConsole_Replay(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 5)
	d.environ = append(d.environ, "BILLABLE_LOG_LEVEL=error") // actions are logged nevertheless
	c := d.startConsole().enter()
	c.post("/dead-letters/replay", http.StatusBadRequest)
	c.post("/dead-letters/replay", http.StatusBadRequest, "scope", "all", "limit", "0")
	dryRun := c.post("/dead-letters/replay", http.StatusOK, "scope", "all", "reason", "too_old")
	if !strings.Contains(dryRun, "<b>5</b> replayed") || len(queues.Messages(d.name)) != 0 {
		t.Errorf("the dry run: %s", dryRun)
	}
	d.sendInvalidDeadLetters("later", 1)
	if result := c.confirm(dryRun); !strings.Contains(result, "<b>5</b> replayed") || strings.Contains(result, "Dry run") {
		t.Errorf("applied: %s", result)
	}
	c.post("/job/confirm", http.StatusConflict, "id", jobField.FindStringSubmatch(dryRun)[1])
	if queued, dead := len(queues.Messages(d.name)), len(queues.Messages(d.name+"_dead")); queued != 5 || dead != 1 {
		t.Errorf("%d are in the queue, %d are dead letters", queued, dead)
	}
	selected := queues.Messages(d.name + "_dead")[0].ID
	c.confirm(c.post("/dead-letters/replay", http.StatusOK, "message", selected, "reason", "ignored"))
	if queued := len(queues.Messages(d.name)); queued != 6 {
		t.Errorf("%d are in the queue", queued)
	}
	for _, want := range []string{
		`"caller":"` + callerARN + `","action":"replay"`, `"dry_run":false,"filter":"reason=too_old"`, `"counts":{"replayed":5}`,
	} {
		if !strings.Contains(c.log.text.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, c.log.text.String())
		}
	}
}

// A replay waits while calls are paused, one action runs at a time, and it can be stopped.
func TestConsole_Stop(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 2)
	d.must("pause", "--reason", "a price is wrong", "--yes")
	c := d.startConsole().enter()
	running := c.confirm(c.post("/dead-letters/replay", http.StatusOK, "scope", "all"))
	if !strings.Contains(running, "Waiting: calls to Chargebee are paused by an operator (a price is wrong)") {
		t.Errorf("while calls are paused: %s", running)
	}
	id := jobField.FindStringSubmatch(running)[1]
	if body := c.post("/calls/resume", http.StatusConflict); !strings.Contains(body, id) {
		t.Errorf("a second action: %s", body)
	}
	if stopped := c.post("/job/stop", http.StatusOK, "id", id); !strings.Contains(stopped, "some dead letters were not processed") {
		t.Errorf("stopped: %s", stopped)
	}
	if queued, dead := len(queues.Messages(d.name)), len(queues.Messages(d.name+"_dead")); queued != 0 || dead != 2 {
		t.Errorf("%d are in the queue, %d are dead letters", queued, dead)
	}
	c.post("/calls/resume", http.StatusOK)
}

// The console refuses as the commands do.
func TestConsole_RefusedDiscard(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 2)
	d.hold("draft_ev_001", 100, 20)
	c := d.startConsole("--archives", t.TempDir()).enter()
	c.post("/dead-letters/discard", http.StatusBadRequest, "scope", "all", "event", "ev_000")            // no reason
	c.post("/dead-letters/discard", http.StatusBadRequest, "scope", "all", "note", "they are test data") // no filter
	refused := c.post("/dead-letters/discard", http.StatusOK, "scope", "all", "event", "ev_001", "note", "test data")
	if !strings.Contains(refused, "<b>1</b> refused") || !strings.Contains(refused, "only this message leads to the events") || strings.Contains(refused, "Apply now") {
		t.Errorf("got %s", refused)
	}
	result := c.confirm(c.post("/dead-letters/discard", http.StatusOK, "scope", "all", "reason", "too_old", "note", "test data"))
	if !strings.Contains(result, "<b>1</b> discarded") || !strings.Contains(result, "archived in") || len(queues.Messages(d.name+"_dead")) != 1 {
		t.Errorf("got %s", result)
	}
}

// An invoice is released by the rules of invoice release.
func TestConsole_Release(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	id, _, line := d.rejectWithLine("sub_release")
	c := d.startConsole().enter()
	if body := c.post("/invoice/release", http.StatusOK, "id", id); !strings.Contains(body, `role="alert"`) || strings.Contains(body, "Apply now") {
		t.Errorf("with its line: %s", body)
	}
	if err := d.chargebee.RemoveLine(id, line); err != nil {
		t.Fatal(err)
	}
	dryRun := c.post("/invoice/release", http.StatusOK, "id", id)
	if !strings.Contains(dryRun, "Would be: 1 events unbilled again, 0 billed.") {
		t.Errorf("the dry run: %s", dryRun)
	}
	if result := c.confirm(dryRun); !strings.Contains(result, "Released: 1 events unbilled again, 0 billed.") {
		t.Errorf("applied: %s", result)
	}
	if body := c.post("/invoice/release", http.StatusOK, "id", id); !strings.Contains(body, "there is nothing to release") || strings.Contains(body, "Apply now") {
		t.Errorf("again: %s", body)
	}
}

func TestConsole_PauseAndResume(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	c := d.startConsole().enter()
	if body := c.post("/calls/resume", http.StatusOK); !strings.Contains(body, "Calls are not paused.") || strings.Contains(body, "Apply now") {
		t.Errorf("not paused: %s", body)
	}
	if body := c.post("/calls/pause", http.StatusOK, "note", strings.Repeat("a", 501)); !strings.Contains(body, "longer than 500 bytes") || strings.Contains(body, "Apply now") {
		t.Errorf("a long reason: %s", body)
	}
	dryRun := c.post("/calls/pause", http.StatusOK, "note", "a price is wrong")
	if body := c.get("/calls", http.StatusOK); !strings.Contains(body, "are not paused") {
		t.Errorf("after the dry run: %s", body)
	}
	c.confirm(dryRun)
	if body := c.get("/calls", http.StatusOK); !strings.Contains(body, "paused by an operator") || !strings.Contains(body, "a price is wrong") {
		t.Errorf("paused: %s", body)
	}
	if body := c.post("/calls/pause", http.StatusOK, "note", "another"); !strings.Contains(body, "calls are already paused") {
		t.Errorf("paused twice: %s", body)
	}
	c.confirm(c.post("/calls/resume", http.StatusOK))
	if got := d.must("resume"); !strings.Contains(got, "Calls are not paused.") {
		t.Errorf("resumed: %s", got)
	}
}

// Whatever ids and texts are, a page has no markup and no control characters of theirs.
func TestConsole_HostileTexts(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}'javascript:alert(3)` + "\x1b[2J\u202e"
	attributes := map[string]types.MessageAttributeValue{}
	for _, name := range []string{"event_id", "invoice_id", "reason", "detail"} {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(strings.TrimSuffix(hostile, "\x1b[2J\u202e"))}
	}
	if _, err := d.sqs.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: aws.String(d.deadURL()), MessageBody: aws.String(hostile[:len(hostile)-7]), MessageAttributes: attributes}); err != nil {
		t.Fatal(err)
	}
	d.event("sub", "e1", "12", "EUR")
	d.reject(hostile, "sub", time.Hour)
	d.must("pause", "--reason", hostile, "--yes")
	c := d.startConsole().enter()
	text := url.QueryEscape(hostile)
	message := queues.Messages(d.name + "_dead")[0].ID
	pages := map[string]string{"the dry run": c.post("/dead-letters/discard", http.StatusOK, "scope", "selected", "message", message, "note", hostile)}
	for _, path := range []string{
		"/", "/dead-letters", "/dead-letters?customer=" + text, "/dead-letter?id=" + message, "/invoice?id=" + text, "/invoices?by=customer&q=" + text,
		"/invoices?by=subscription&q=sub", "/calls",
	} {
		pages[path] = c.get(path, http.StatusOK)
	}
	pages["an unknown invoice"] = c.get("/dead-letter?id="+text+"x", http.StatusNotFound)
	pages["a bad reason"] = c.get("/dead-letters?reason="+text, http.StatusBadRequest)
	for name, body := range pages {
		for _, refused := range []string{"<script>alert", "<img", `href="javascript`, "\x1b", "\u202e"} {
			if strings.Contains(body, refused) {
				t.Errorf("%s has %q: %s", name, refused, body)
			}
		}
		if !strings.Contains(body, "alert(1)") && name != "/" {
			t.Errorf("%s does not show the text: %s", name, body)
		}
	}
}
