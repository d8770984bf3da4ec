package deployments_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/receiver"
)

// secretKeys returns the files of each Secret according to the commands in the manifests.
func secretKeys(t *testing.T) map[string][]string {
	t.Helper()
	command := regexp.MustCompile(`kubectl create secret generic (\S+)((?:\s|#|\\|--from-file=\w+=…)*)`)
	key := regexp.MustCompile(`--from-file=(\w+)=`)
	files, err := filepath.Glob(kubernetes + "/base/*/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range command.FindAllStringSubmatch(string(content), -1) {
			for _, found := range key.FindAllStringSubmatch(match[2], -1) {
				keys[match[1]] = append(keys[match[1]], found[1])
			}
		}
	}
	return keys
}

// source copies the volumes of the workload to a directory, and returns the source of its settings.
func (e environment) source(workload string) config.Source {
	e.t.Helper()
	root, pod := e.t.TempDir(), e.pods()[workload]
	container := pod.Spec.Containers[0]
	for _, mount := range container.VolumeMounts {
		at := slices.IndexFunc(pod.Spec.Volumes, func(v volume) bool { return v.Name == mount.Name })
		if at < 0 {
			e.t.Fatalf("%s mounts %s, which is not a volume", workload, mount.Name)
		}
		files := map[string]string{}
		if volume := pod.Spec.Volumes[at]; volume.Secret.SecretName != "" {
			for _, key := range secretKeys(e.t)[volume.Secret.SecretName] {
				files[key] = "secret\n"
			}
		} else {
			files = e.one("ConfigMap", volume.ConfigMap.Name).Data
		}
		directory := filepath.Join(root, mount.MountPath)
		if err := os.MkdirAll(directory, 0o700); err != nil {
			e.t.Fatal(err)
		}
		for name, content := range files {
			content = strings.ReplaceAll(content, " /etc/billable/", " "+root+"/etc/billable/")
			if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
				e.t.Fatal(err)
			}
		}
	}
	at := slices.Index(container.Args, "--config")
	if at < 0 {
		e.t.Fatalf("%s has no --config", workload)
	}
	source := config.Source{File: filepath.Join(root, container.Args[at+1])}
	for _, from := range container.EnvFrom {
		for name, value := range e.one("ConfigMap", from.ConfigMapRef.Name).Data {
			source.Environ = append(source.Environ, name+"="+value)
		}
	}
	return source
}

func (e environment) receiver() config.Receiver {
	e.t.Helper()
	settings, warnings, err := config.LoadReceiver(e.source("receiver"))
	if err != nil || len(warnings) > 0 {
		e.t.Fatalf("the receiver's settings: %v %v", err, warnings)
	}
	return settings
}

func (e environment) consumer(workload string) config.Consumer {
	e.t.Helper()
	settings, warnings, err := config.LoadConsumer(e.source(workload), config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil || len(warnings) > 0 {
		e.t.Fatalf("the settings of %s: %v %v", workload, err, warnings)
	}
	return settings
}

// The programs load every file and variable of the manifests.
func TestSettings_Load(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		e := open(t, overlay)
		r, c := e.receiver(), e.consumer("consumer")
		if r.Auth.Disabled || !r.Auth.FromFiles() || r.Auth.Password == "" || r.Auth.PreviousPassword == "" {
			t.Errorf("%s: the receiver's credentials are not files: %+v", overlay, r.Auth)
		}
		if !c.FromFiles() {
			t.Errorf("%s: the API key is not a file", overlay)
		}
		if r.Queue.URL != c.Queue.URL || c.Queue.URL == c.Queue.DeadLetterURL {
			t.Errorf("%s: the receiver fills %s, the consumer takes from %s and rejects to %s", overlay, r.Queue.URL, c.Queue.URL, c.Queue.DeadLetterURL)
		}
		if swept := e.consumer("sweep"); swept.Queue != c.Queue || swept.Chargebee != c.Chargebee || swept.Ledger != c.Ledger || swept.Events != c.Events {
			t.Errorf("%s: the sweep has other settings than the consumer", overlay)
		}
	}
}

// The programs accept the arguments in the manifests.
func TestSettings_Arguments(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		for name, pod := range open(t, overlay).pods() {
			var stderr bytes.Buffer
			process := cli.Process{Args: append(slices.Clone(pod.Spec.Containers[0].Args), "--help"), Stdout: &bytes.Buffer{}, Stderr: &stderr}
			run := commands.Main
			if name == "receiver" {
				run = receiver.Main
			}
			if code := run(t.Context(), process); code != 0 {
				t.Errorf("%s: %s: exit code %d: %s", overlay, name, code, &stderr)
			}
		}
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// The timeouts of what a process stops, besides its settings.
const (
	receiverStop = 4 * 5 * time.Second // header and response of the last request, batches in flight, the admin listener
	consumerStop = 33 * time.Second    // a poll 5 s, carrying out what is finished 20 s, leaving the ledger 2 s, files 1 s, the admin listener 5 s
)

// No process is killed that could still end by itself, and the documentation has the same durations.
func TestSettings_GracePeriods(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	for setting, stop := range map[string]time.Duration{"http.request_timeout": receiverStop, "worker.drain_timeout": consumerStop} {
		if want := fmt.Sprintf("`%s` + %.0f s; 3 s more with tracing", setting, stop.Seconds()); !strings.Contains(string(page), want) {
			t.Errorf("docs/deployment.md does not have: %s", want)
		}
	}
	for _, overlay := range overlays {
		e := open(t, overlay)
		pod, http := e.pods()["receiver"], e.receiver().HTTP
		preStop := seconds(pod.Spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds)
		if overlay != "dev" && http.ShutdownDelay < 30*time.Second {
			t.Errorf("%s: a load balancer with pods as targets has %s to deregister a receiver", overlay, http.ShutdownDelay)
		}
		if preStop < time.Second {
			t.Errorf("%s: the receiver has no preStop", overlay)
		}
		needed := preStop + http.ShutdownDelay + http.RequestTimeout + receiverStop + e.tracingDelay("receiver")
		if grace := seconds(pod.Spec.TerminationGracePeriodSeconds); grace <= needed {
			t.Errorf("%s: a receiver has %s to end and needs %s", overlay, grace, needed)
		}
		needed = e.consumer("consumer").Worker.DrainTimeout + consumerStop + e.tracingDelay("consumer")
		if grace := seconds(e.pods()["consumer"].Spec.TerminationGracePeriodSeconds); grace <= needed {
			t.Errorf("%s: a consumer has %s to end and needs %s", overlay, grace, needed)
		}
	}
}

// If one heartbeat fails, a call to Chargebee can still end before another pod receives the message.
func TestSettings_VisibilityTimeout(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		settings := open(t, overlay).consumer("consumer")
		visible, call := settings.Worker.VisibilityTimeout, settings.Chargebee.CallTimeout
		if beat := min(visible, settings.Ledger.Lease) / 3; visible-beat < call {
			t.Errorf("%s: %s of visibility with a heartbeat each %s are too short for calls of %s", overlay, visible, beat, call)
		}
	}
}

// scaledObject is the configuration of KEDA.
type scaledObject struct {
	ScaleTargetRef  struct{ Name string } `yaml:"scaleTargetRef"`
	MinReplicaCount int                   `yaml:"minReplicaCount"`
	MaxReplicaCount int                   `yaml:"maxReplicaCount"`
	Triggers        []struct {
		Type     string
		Metadata map[string]string
	}
}

// slowCall is the duration of a call while Chargebee is slow.
const slowCall = 2 * time.Second

// All replicas together, with those that a rollout adds, stay within chargebee.max_concurrent, and can use
// all of chargebee.requests_per_minute.
func TestSettings_ConsumersFitLimits(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		e := open(t, overlay)
		settings, deployment := e.consumer("consumer"), spec[deployment](t, e.one("Deployment", "consumer"))
		most := deployment.Replicas
		for _, scaled := range e.all("ScaledObject") {
			if deployment.Replicas != 0 {
				t.Errorf("%s: the Deployment has replicas, which KEDA is to choose", overlay)
			}
			most = spec[scaledObject](t, scaled).MaxReplicaCount
		}
		limit, concurrency := settings.Chargebee.RequestsPerMinute, settings.Worker.Concurrency
		replicas := most + deployment.Strategy.RollingUpdate.MaxSurge
		if replicas*concurrency > settings.Chargebee.MaxConcurrent {
			t.Errorf("%s: %d replicas × worker.concurrency %d is above chargebee.max_concurrent %d", overlay, replicas, concurrency, settings.Chargebee.MaxConcurrent)
		}
		if possible := most * concurrency * int(time.Minute/slowCall); possible < limit {
			t.Errorf("%s: %d consumers make %d calls a minute of %s, and may make %d", overlay, most, possible, slowCall, limit)
		}
	}
}

// KEDA reads the queue from which consumers receive.
func TestSettings_Scaling(t *testing.T) {
	t.Parallel()
	e := open(t, "production")
	scaled := spec[scaledObject](t, e.one("ScaledObject", "consumer"))
	trigger := scaled.Triggers[0].Metadata
	if scaled.ScaleTargetRef.Name != "consumer" || scaled.MinReplicaCount < 1 || scaled.MinReplicaCount > scaled.MaxReplicaCount {
		t.Errorf("got %+v", scaled)
	}
	url := e.consumer("consumer").Queue.URL
	if trigger["queueURL"] != url || !strings.Contains(url, "sqs."+trigger["awsRegion"]+".") || trigger["scaleOnInFlight"] != "true" {
		t.Errorf("KEDA reads %v, the queue is %s", trigger, url)
	}
	if !slices.Contains(e.source("consumer").Environ, "AWS_REGION="+trigger["awsRegion"]) {
		t.Errorf("the consumers are in another region than %s", trigger["awsRegion"])
	}
}
