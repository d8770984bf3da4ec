package receiver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// mounted is a secret as Kubernetes mounts it: its files are links through a link to a
// directory, and that link is swapped.
// https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-files-from-a-pod
type mounted struct {
	*testing.T
	path    string
	version int
}

func mount(t *testing.T, secret map[string]string) *mounted {
	t.Helper()
	m := &mounted{T: t, path: t.TempDir()}
	m.swap(secret)
	for name := range secret {
		if err := os.Symlink(filepath.Join("..data", name), m.file(name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *mounted) file(name string) string { return filepath.Join(m.path, name) }

// swap puts another secret in place of the one before, all files at once.
func (m *mounted) swap(secret map[string]string) {
	m.Helper()
	m.version++
	directory := fmt.Sprintf("..version_%d", m.version)
	if err := os.Mkdir(m.file(directory), 0o700); err != nil {
		m.Fatal(err)
	}
	for name, content := range secret {
		if err := os.WriteFile(filepath.Join(m.path, directory, name), []byte(content), 0o600); err != nil {
			m.Fatal(err)
		}
	}
	if err := os.Symlink(directory, m.file("..data_tmp")); err != nil {
		m.Fatal(err)
	}
	if err := os.Rename(m.file("..data_tmp"), m.file("..data")); err != nil {
		m.Fatal(err)
	}
}

// environ gives these of the credentials as files.
func (m *mounted) environ(names ...string) []string {
	var environ []string
	for _, name := range names {
		environ = append(environ, "BILLABLE_AUTH_"+strings.ToUpper(name)+"_FILE="+m.file(name))
	}
	return environ
}

// watching is a receiver in virtual time that follows its credentials.
type watching struct {
	*testing.T
	*receiver.Receiver
	log *logLines
}

func watch(t *testing.T, auth []string) watching {
	t.Helper()
	settings, _, err := config.LoadReceiver(config.Source{Environ: append([]string{"BILLABLE_QUEUE_URL=" + queueURL("events")}, auth...)})
	if err != nil {
		t.Fatal(err)
	}
	log := &logLines{wrote: make(chan struct{}, 1)}
	w := watching{T: t, log: log, Receiver: wired(settings, sqs.New(sqs.Config{}), zerolog.New(log).Level(zerolog.WarnLevel))}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { w.WatchCredentials(ctx) })
	t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	return w
}

// pass lets time pass, and what happens at its end happen.
func pass(duration time.Duration) {
	time.Sleep(duration)
	synctest.Wait()
}

// want compares who is let in.
func (w watching) want(status int, username, password string) {
	w.Helper()
	request := webhookRequest(w, "", `{"event_type":"x"}`)
	request.SetBasicAuth(username, password)
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, request)
	if answer.Code != status {
		w.Errorf("%s:%s is answered %d", username, password, answer.Code)
	}
}

// A rotation in two steps refuses no valid credentials.
func TestReceiver_RotatesCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		secret := mount(t, map[string]string{"username": "u\n", "password": "old:1\n", "previous_username": "u", "previous_password": "old:1"})
		w := watch(t, secret.environ("username", "password", "previous_username", "previous_password"))
		w.want(http.StatusOK, "u", "old:1")

		secret.swap(map[string]string{"username": "v", "password": "new:2", "previous_username": "u", "previous_password": "old:1"})
		w.want(http.StatusUnauthorized, "v", "new:2")
		pass(10 * time.Second)
		w.want(http.StatusOK, "v", "new:2")
		w.want(http.StatusOK, "u", "old:1")
		w.want(http.StatusUnauthorized, "v", "old:1")

		secret.swap(map[string]string{"username": "v", "password": "new:2", "previous_username": "v", "previous_password": "new:2"})
		pass(10 * time.Second)
		w.want(http.StatusOK, "v", "new:2")
		w.want(http.StatusUnauthorized, "u", "old:1")
	})
}

// Files that are written in place are used once they stay as they are, and no part of them
// before.
func TestReceiver_IgnoresHalfWrittenCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "password")
		write := func(content string) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("first")
		w := watch(t, []string{"BILLABLE_AUTH_USERNAME=u", "BILLABLE_AUTH_PASSWORD_FILE=" + path})
		for _, content := range []string{"s", "se", "sec", "seco", "secon"} {
			write(content)
			pass(3 * time.Second)
			w.want(http.StatusUnauthorized, "u", content)
			w.want(http.StatusOK, "u", "first")
		}
		write("second")
		pass(10 * time.Second)
		w.want(http.StatusOK, "u", "second")
		w.want(http.StatusUnauthorized, "u", "first")
	})
}

// Unreadable files change nothing, and are logged once.
func TestReceiver_UnreadableCredentials(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]map[string]string{
		"gone":            {},
		"empty":           {"password": ""},
		"an empty line":   {"password": "\n"},
		"half a rotation": {"password": "q", "previous_password": ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				secret := mount(t, map[string]string{"password": "p", "previous_password": "o"})
				w := watch(t, append(secret.environ("password", "previous_password"), "BILLABLE_AUTH_USERNAME=u", "BILLABLE_AUTH_PREVIOUS_USERNAME=u"))
				for times := 1; times <= 2; times++ {
					secret.swap(bad)
					pass(time.Minute)
					w.want(http.StatusOK, "u", "p")
					w.want(http.StatusOK, "u", "o")
					w.want(http.StatusUnauthorized, "u", "")
					w.want(http.StatusUnauthorized, "u", "q")
					lines := strings.Count(w.log.String(), "credential reload failed")
					if lines != times || strings.Contains(w.log.String(), `"p"`) {
						t.Errorf("after %d times: %s", times, w.log)
					}
					secret.swap(map[string]string{"password": "p", "previous_password": "o"})
					pass(10 * time.Second)
				}
				secret.swap(map[string]string{"password": "r", "previous_password": "p"})
				pass(10 * time.Second)
				w.want(http.StatusOK, "u", "r")
				w.want(http.StatusOK, "u", "p")
				w.want(http.StatusUnauthorized, "u", "o")
			})
		})
	}
}

func TestReceiver_CredentialsWithoutFiles(t *testing.T) {
	t.Parallel()
	for _, auth := range [][]string{{"BILLABLE_AUTH_USERNAME=u", "BILLABLE_AUTH_PASSWORD=p"}, {"BILLABLE_AUTH_DISABLED=true"}} {
		settings, _, err := config.LoadReceiver(config.Source{Environ: append(auth, "BILLABLE_QUEUE_URL=x")})
		if err != nil {
			t.Fatal(err)
		}
		wired(settings, sqs.New(sqs.Config{}), zerolog.Nop()).WatchCredentials(t.Context()) // returns at once
	}
}

// The same with a process and its real clock.
func TestProcess_ReloadsCredentials(t *testing.T) {
	t.Parallel()
	secret := mount(t, map[string]string{"password": "pass:word", "previous_password": "pass:word"})
	command, log := binary(t, newQueue(t), slices.Concat(
		secret.environ("password", "previous_password"),
		[]string{"BILLABLE_AUTH_USERNAME=chargebee", "BILLABLE_AUTH_PREVIOUS_USERNAME=chargebee"})...)
	url, admin, err := log.started(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &service{T: t, url: url, admin: admin, client: &http.Client{Transport: &http.Transport{}}}
	defer s.client.CloseIdleConnections()
	post := func(password string, want int) {
		t.Helper()
		request := webhookRequest(t, url, `{"event_type":"x"}`)
		request.SetBasicAuth("chargebee", password)
		if status, answer := s.do(request); status != want {
			t.Errorf("answered %d: %s", status, answer)
		}
	}
	post("pass:word", http.StatusOK)
	post("next:one", http.StatusUnauthorized)

	swapped := time.Now()
	secret.swap(map[string]string{"password": "next:one", "previous_password": "pass:word"})
	if err := log.wait(t.Context(), "credentials changed"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(swapped); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	post("pass:word", http.StatusOK)
	post("next:one", http.StatusOK)

	secret.swap(nil)
	if err := log.wait(t.Context(), "credential reload failed"); err != nil {
		t.Fatal(err)
	}
	post("next:one", http.StatusOK)
	if _, metrics := s.get(admin + "/metrics"); !strings.Contains(metrics, "\nbillable_credentials_reload_failures_total 1\n") {
		t.Error("the metric does not count the failure")
	}
	if text := log.String(); strings.Contains(text, "next:one") || strings.Contains(text, "pass:word") {
		t.Errorf("the log contains secrets: %s", text)
	}
	s.client.CloseIdleConnections()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, log)
	}
}
