package deployments_test

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/scripts/testbed"
)

// service is one container of the composition.
type service struct {
	Image       string
	PullPolicy  string `yaml:"pull_policy"`
	Command     []string
	Environment map[string]string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	User        string
	Ports       []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

func composition(t *testing.T) map[string]service {
	t.Helper()
	content, err := os.ReadFile("compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	return file.Services
}

func (s service) environ() (variables []string) {
	for name, value := range s.Environment {
		variables = append(variables, name+"="+value)
	}
	return variables
}

// flag returns the value of a flag of the fake of Chargebee.
func (s service) flag(name string) string {
	for _, argument := range s.Command {
		if value, ok := strings.CutPrefix(argument, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// The programs accept their settings, and use the same queues, addresses and credentials.
func TestCompose_SettingsAgree(t *testing.T) {
	t.Parallel()
	services := composition(t)
	receiver, warnings, err := config.LoadReceiver(config.Source{Environ: services["receiver"].environ()})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the receiver's settings: %v %v", err, warnings)
	}
	consumer, warnings, err := config.LoadConsumer(config.Source{Environ: services["consumer"].environ()}, config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("the consumer's settings: %v %v", err, warnings)
	}
	if !maps.Equal(services["tables"].Environment, services["consumer"].Environment) || !slices.Equal(services["tables"].Command, []string{"tables", "create"}) {
		t.Error("the tables are not made with the consumer's settings")
	}
	site := services["chargebee"]
	for what, ok := range map[string]bool{
		"the queue is the one that is made":         path.Base(receiver.Queue.URL) == testbed.QueueName && receiver.Queue.URL == consumer.Queue.URL,
		"the dead letters' queue is, too":           path.Base(consumer.Queue.DeadLetterURL) == testbed.DeadLetterName,
		"the key is the fake's":                     consumer.Chargebee.APIKey == testbed.APIKey,
		"its address is":                            consumer.Chargebee.BaseURL == "http://chargebee"+site.flag("listen"),
		"webhooks go to the receiver":               site.flag("webhook") == "http://receiver"+receiver.HTTP.Addr+"/webhooks/chargebee",
		"with its user name and password":           config.Secret(site.flag("username")) == receiver.Auth.Username && config.Secret(site.flag("password")) == receiver.Auth.Password,
		"the tables are there before they are used": site.DependsOn["tables"].Condition == "service_completed_successfully",
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	for name, endpoint := range map[string]string{"sqs": "AWS_ENDPOINT_URL_SQS", "dynamodb": "AWS_ENDPOINT_URL_DYNAMODB"} {
		for _, user := range []string{"receiver", "consumer"} {
			if got, want := site.flag(name), services[user].Environment[endpoint]; got == "" || got != want {
				t.Errorf("the %s of Chargebee is %q, that of the %s %q", name, got, user, want)
			}
		}
	}
}

// Our containers are restricted like the pods, and publish ports on loopback only.
func TestCompose_IsConfined(t *testing.T) {
	t.Parallel()
	for name, service := range composition(t) {
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is open to everybody at %s", name, port)
			}
		}
		program, ours := strings.CutPrefix(service.Image, "ghcr.io/billable-events/billable/")
		if !ours {
			if !regexp.MustCompile(`:\d+\.\d+\.\d+$`).MatchString(service.Image) {
				t.Errorf("%s is of no particular version: %s", name, service.Image)
			}
			continue
		}
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || service.User != "" {
			t.Errorf("%s may do more than it needs: %+v", name, service)
		}
		if !slices.Contains([]string{"receiver:compose", "consumer:compose", "chargebee:compose"}, program) || service.PullPolicy != "never" {
			t.Errorf("%s is not what make compose builds: %+v", name, service)
		}
	}
}
