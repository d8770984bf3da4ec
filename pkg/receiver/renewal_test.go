package receiver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// issuer is a fake of STS and of the endpoint for the credentials of a container. Session tokens are
// numbers, from 1.
type issuer struct {
	lifetime time.Duration
	delay    time.Duration // of all responses
	refused  int64         // the request that is refused; 0: none

	requests atomic.Int64
	expiry   sync.Map // time.Time by token
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number := i.requests.Add(1)
	time.Sleep(i.delay)
	if number == i.refused {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	token, expiry := strconv.FormatInt(number, 10), time.Now().Add(i.lifetime)
	i.expiry.Store(token, expiry)
	expiration := expiry.UTC().Format(time.RFC3339)
	if r.Method != http.MethodPost {
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":"id","SecretAccessKey":"secret","Token":%q,"Expiration":%q}`, token, expiration)
		return
	}
	_, _ = fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>id</AccessKeyId>`+
		`<SecretAccessKey>secret</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>`+
		`</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, token, expiration)
}

// authorized returns a handler that refuses calls with an expired token as SQS does.
func (i *issuer) authorized(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		expiry, known := i.expiry.Load(r.Header.Get("X-Amz-Security-Token"))
		if known && time.Now().After(expiry.(time.Time)) {
			w.Header().Set("x-amzn-query-error", "ExpiredToken;Sender")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token included in the request is expired"}`)
			return
		}
		service.ServeHTTP(w, r)
	})
}

// TestReceiver_RenewsCredentials: no webhook waits for a renewal, nor fails with one.
func TestReceiver_RenewsCredentials(t *testing.T) {
	t.Parallel()
	for source, providerOf := range map[string]func(http.RoundTripper) aws.CredentialsProvider{
		"web identity": func(transport http.RoundTripper) aws.CredentialsProvider {
			client := sts.New(sts.Options{Region: "eu-central-1", BaseEndpoint: aws.String("http://sts.local"), HTTPClient: &http.Client{Transport: transport}})
			return stscreds.NewWebIdentityRoleProvider(client, "arn:aws:iam::000000000000:role/receiver", token("identity"))
		},
		"container": func(transport http.RoundTripper) aws.CredentialsProvider {
			return endpointcreds.New("http://container.local", func(o *endpointcreds.Options) { o.HTTPClient = &http.Client{Transport: transport} })
		},
	} {
		t.Run(source+" slow", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				renewsCredentials(t, &issuer{lifetime: time.Minute, delay: 6 * time.Second}, providerOf)
			})
		})
		t.Run(source+" refused", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { renewsCredentials(t, &issuer{lifetime: time.Minute, refused: 2}, providerOf) })
		})
	}
}

// token is the token of a pod's service account.
type token string

func (t token) GetIdentityToken() ([]byte, error) { return []byte(t), nil }

func renewsCredentials(t *testing.T, issuer *issuer, providerOf func(http.RoundTripper) aws.CredentialsProvider) {
	service := sqs.New(sqs.Config{})
	failures := 0
	renewed := awsclient.Renew(aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String("http://sandbox.local"),
		Credentials:  aws.NewCredentialsCache(providerOf(sandbox.Transport{Handler: issuer})),
		HTTPClient:   &http.Client{Transport: sandbox.Transport{Handler: issuer.authorized(service)}},
	}, func(error) { failures++ })
	if _, err := awssqs.NewFromConfig(renewed).CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("events")}); err != nil {
		t.Fatal(err)
	}
	settings := config.DefaultReceiver()
	settings.Queue.URL = queueURL("events")
	settings.Auth = config.Auth{Username: "chargebee", Password: "pass:word"}
	r := receiver.New(settings, receiver.Deps{AWS: renewed}, zerolog.Nop())

	body := pendingInvoice(t, 1)
	var clients sync.WaitGroup
	var refused atomic.Int64
	for range 2 * 60 * 50 { // 2 min of 50/s
		clients.Go(func() {
			answer := httptest.NewRecorder()
			r.Handler().ServeHTTP(answer, webhookRequest(t, "", body))
			if answer.Code != http.StatusOK {
				refused.Add(1)
			}
		})
		pass(20 * time.Millisecond)
	}
	clients.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if refused.Load() > 0 {
		t.Errorf("%d webhooks were refused", refused.Load())
	}
	if got := issuer.requests.Load(); got < 4 || got > 8 {
		t.Errorf("%d requests for credentials of a minute in two minutes", got)
	}
	if want := min(1, int(issuer.refused)); failures != want {
		t.Errorf("%d failures were reported, want %d", failures, want)
	}
	pass(time.Minute) // for a renewal in progress
}

// TestMain_ExpiredToken: a token that AWS refuses is renewed once, and the webhook is accepted.
func TestMain_ExpiredToken(t *testing.T) {
	issuer := &issuer{lifetime: 4 * time.Minute}
	endpoint := httptest.NewServer(issuer)
	defer endpoint.Close()
	service := httptest.NewServer(issuer.authorized(queues))
	defer service.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("identity"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_ENDPOINT_URL_SQS", service.URL)
	for name, environment := range map[string]map[string]string{
		"web identity": {
			"AWS_ENDPOINT_URL_STS": endpoint.URL, "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/receiver", "AWS_WEB_IDENTITY_TOKEN_FILE": file,
		},
		"container": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint.URL},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range environment {
				t.Setenv(name, value)
			}
			issuer.requests.Store(0)
			s := start(t)
			s.post(pendingInvoice(t, 1))
			issuer.expiry.Store("1", time.Now())
			for number := range 3 {
				if status, answer := s.post(pendingInvoice(t, number)); status != http.StatusOK {
					t.Errorf("answered %d: %s", status, answer)
				}
			}
			if got := issuer.requests.Load(); got != 2 {
				t.Errorf("%d requests for credentials, want 2", got)
			}
			if strings.Contains(s.log.String(), "failed") {
				t.Errorf("the log: %s", s.log)
			}
		})
	}
}
