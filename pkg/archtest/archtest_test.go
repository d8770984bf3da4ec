package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/billable-events/billable"

// root is the module's directory, seen from this test.
const root = "../.."

// rule lists the permitted imports of one package in addition to the standard library.
type rule struct {
	own    []string // packages of this module, by their path below pkg/
	others []string // other modules, by their path or a prefix of it
	why    string   // responsibility of the package
}

var (
	words = []string{"billing", "event", "finding", "queue", "ratelimit", "retry", "truncate"}

	awsSDK    = "github.com/aws/aws-sdk-go-v2"
	awsSmithy = "github.com/aws/smithy-go"
	chargebee = "github.com/chargebee/chargebee-go/v3"
	echo      = "github.com/labstack/echo/v4"
	decimal   = "github.com/shopspring/decimal"
	jsonText  = "github.com/go-json-experiment/json"
	prom      = "github.com/prometheus/client_golang"
	zerolog   = "github.com/rs/zerolog"
	cobra     = "github.com/spf13/cobra"
	otel      = "go.opentelemetry.io/otel"
	xsync     = "golang.org/x/sync"
	ociImages = "github.com/google/go-containerregistry"
)

// rules is the layer table. It lists every package of the module.
var rules = map[string]rule{
	// Layer 0: terms and rules, without I/O.
	"pkg/escape":       {why: "texts of others, safe to show"},
	"pkg/event":        {own: []string{"escape"}, others: []string{jsonText}, why: "the webhook event: fields, validation, wire forms"},
	"pkg/billing":      {own: []string{"truncate"}, others: []string{decimal}, why: "the rules of billing, pure"},
	"pkg/queue":        {why: "words for messages"},
	"pkg/finding":      {why: "what checks observe and report"},
	"pkg/ratelimit":    {own: []string{"retry"}, why: "the limit of calls to Chargebee, shared by all processes"},
	"pkg/retry":        {why: "backoff, jitter, and the repetition of operations"},
	"pkg/lifecycle":    {others: []string{"github.com/KimMachineGun/automemlimit", "go.uber.org/automaxprocs"}, why: "start and stop in order, fitted into a container"},
	"pkg/config":       {own: []string{"suggest"}, others: []string{"go.yaml.in/yaml/v3"}, why: "typed settings"},
	"pkg/installation": {own: []string{"config"}, why: "the consumers that share a ledger, and their settings"},
	"pkg/suggest":      {why: "the name that was probably meant by a misspelled one"},
	"pkg/truncate":     {why: "texts with a maximum size"},
	"pkg/nullable":     {why: "absent values in JSON results"},
	"pkg/telemetry":    {own: []string{"lifecycle", "truncate"}, others: []string{prom, zerolog, otel}, why: "logger, metrics, traces, admin listener"},

	// Layer 1: use cases. They import no adapter, but declare the interfaces that they need.
	"pkg/webhook":    {own: []string{"event", "queue", "telemetry"}, others: []string{echo}, why: "the HTTP side"},
	"pkg/worker":     {own: []string{"queue", "retry"}, others: []string{xsync}, why: "the pool"},
	"pkg/settlement": {own: []string{"event", "queue", "billing", "ratelimit", "retry"}, why: "one message: claim, plan, charge, close, settle"},
	"pkg/deadletter": {own: []string{"queue", "event", "billing", "nullable", "ratelimit", "retry"}, others: []string{xsync}, why: "dead letters"},
	"pkg/inspect":    {own: []string{"billing", "nullable"}, others: []string{xsync}, why: "shows and lists invoices of the ledger"},
	"pkg/reconcile":  {own: []string{"queue", "event", "billing", "finding", "nullable", "ratelimit", "retry"}, others: []string{decimal, xsync}, why: "compares Chargebee, ledger, queues and events"},
	"pkg/preflight":  {own: []string{"billing", "config", "finding", "installation", "ratelimit"}, why: "evaluates the state of an installation"},

	// Layer 2: adapters. They import no use case, and one technology each.
	"pkg/awsclient":    {own: []string{"retry"}, others: []string{awsSDK, awsSmithy, otel, xsync, zerolog}, why: "how AWS is reached, and spans of the calls: the SDK has a place for them"},
	"pkg/sqsqueue":     {own: words, others: []string{awsSDK, awsSmithy, jsonText, xsync}, why: "SQS"},
	"pkg/dynamostore":  {own: append([]string{"installation"}, words...), others: []string{awsSDK, awsSmithy}, why: "DynamoDB"},
	"pkg/chargebeeapi": {own: words, others: []string{chargebee}, why: "Chargebee"},

	// Layer 3: composition roots. Only they import use cases and adapters.
	"pkg/cli": {
		own:    []string{"config", "escape", "suggest"},
		others: []string{cobra, "github.com/spf13/pflag", "github.com/mattn/go-runewidth", "github.com/schollz/progressbar/v3", "golang.org/x/term"},
		why:    "exit codes, error output, tables, JSON and progress of both command lines",
	},
	"pkg/receiver": {
		own:    []string{"awsclient", "cli", "config", "event", "lifecycle", "queue", "sqsqueue", "telemetry", "truncate", "webhook"},
		others: []string{awsSDK, prom, zerolog, cobra, otel},
		why:    "wires the receiver",
	},
	"pkg/consumer": {
		own: []string{
			"awsclient", "billing", "chargebeeapi", "cli", "config", "dynamostore", "installation", "lifecycle", "preflight", "queue", "ratelimit", "retry", "settlement", "sqsqueue", "telemetry", "worker",
		},
		others: []string{awsSDK, prom, zerolog, otel},
		why:    "wires the consumer",
	},
	"pkg/results": {own: []string{"billing", "deadletter", "inspect", "nullable", "settlement"}, why: "results that commands and console show"},
	"pkg/console": {
		own:    []string{"billing", "cli", "deadletter", "escape", "finding", "inspect", "preflight", "ratelimit", "results", "settlement"},
		others: []string{zerolog},
		why:    "the web page of operators",
	},
	"pkg/commands": {
		own: []string{
			"billing", "chargebeeapi", "cli", "config", "console", "consumer", "deadletter", "dynamostore", "escape", "event", "finding", "inspect", "installation", "lifecycle", "nullable",
			"preflight", "queue", "ratelimit", "reconcile", "results", "settlement", "sqsqueue", "telemetry",
		},
		others: []string{awsSDK, zerolog, cobra},
		why:    "the command line of the consumer",
	},
	"cmd/receiver": {own: []string{"cli", "lifecycle", "receiver"}, why: "runs the receiver"},
	"cmd/consumer": {own: []string{"cli", "commands", "lifecycle"}, why: "runs the consumer"},

	// Tests and local services: never linked into a production binary.
	"pkg/archtest":                {why: "this table"},
	"pkg/langcheck":               {why: "refused words and broken links, in code and documents"},
	"pkg/telemetry/telemetrydoc":  {others: []string{prom}, why: "docs/telemetry.md, for the tests that compare it with the programs"},
	"pkg/ratelimit/ratelimittest": {own: []string{"ratelimit"}, why: "a fake store, and the contract of stores"},
	"pkg/sandbox":                 {why: "faults and transport of the fakes"},
	"pkg/sandbox/awsjson":         {own: []string{"sandbox"}, why: "the AWS JSON protocol"},
	"pkg/sandbox/sqs":             {own: []string{"sandbox", "sandbox/awsjson"}, why: "a fake for SQS"},
	"pkg/sandbox/conformance":     {why: "runs a contract against an endpoint"},
	"pkg/sandbox/sqs/sqstest":     {own: []string{"sandbox/conformance"}, others: []string{awsSDK, awsSmithy}, why: "what any SQS must do"},
	"pkg/sandbox/dynamodb": {
		own:    []string{"sandbox", "sandbox/awsjson", "sandbox/dynamodb/attribute", "sandbox/dynamodb/expression"},
		others: []string{decimal, "github.com/google/btree"},
		why:    "a fake for DynamoDB",
	},
	"pkg/sandbox/dynamodb/attribute":    {others: []string{decimal}, why: "DynamoDB's values"},
	"pkg/sandbox/dynamodb/expression":   {own: []string{"sandbox/dynamodb/attribute"}, why: "DynamoDB's expressions"},
	"pkg/sandbox/dynamodb/dynamodbtest": {own: []string{"sandbox/conformance"}, others: []string{awsSDK, awsSmithy, decimal}, why: "what any DynamoDB must do"},
	"pkg/sandbox/chargebee":             {own: []string{"sandbox"}, why: "a fake for Chargebee"},
	"pkg/sandbox/reconciliation":        {own: []string{"sandbox/chargebee"}, others: []string{decimal}, why: "expected against actual charges; shares no code with the product"},
	"pkg/simulation":                    {why: "a test: scenarios that try to break the promise"},
	"scripts/testbed": {
		own:    []string{"retry", "sandbox", "sandbox/sqs", "sandbox/dynamodb", "sandbox/chargebee", "sandbox/reconciliation"},
		others: []string{"*"},
		why:    "the real binaries on this machine, and all around them",
	},
	"scripts/testbed/programs": {own: []string{"cli", "commands", "lifecycle", "receiver"}, why: "a test binary as receiver and consumer"},
	"scripts/schemas":          {others: []string{module + "/scripts/cli", "go.yaml.in/yaml/v3"}, why: "make schemas"},
	"scripts/sandbox":          {own: []string{"billing", "retry", "sandbox", "sandbox/sqs", "sandbox/dynamodb", "sandbox/chargebee"}, others: []string{"*"}, why: "make run"},
	"scripts/images":           {others: []string{module + "/scripts/cli", ociImages, "golang.org/x/crypto/x509roots/fallback/bundle"}, why: "make images"},
	"scripts/chargebee":        {own: []string{"billing", "sandbox/chargebee"}, others: []string{"*"}, why: "the sandbox's Chargebee by itself, for Docker Compose"},
	"scripts/conformance": {
		own:    []string{"sandbox/conformance", "sandbox/sqs/sqstest", "sandbox/dynamodb/dynamodbtest"},
		others: []string{"*"},
		why:    "make conformance",
	},
	"scripts/bench": {
		own:    []string{"event", "retry", "sandbox", "sandbox/chargebee", "sandbox/sqs", "webhook"},
		others: []string{"*"},
		why:    "make bench, make bench-consumer, make bench-ratelimit",
	},
	"scripts/cli": {why: "how the programs below scripts begin and end"},
}

// neverLinked has the packages that a production binary must not contain, with the reasons.
var neverLinked = map[string]map[string]string{
	"cmd/receiver": {
		module + "/pkg/sandbox":      "fakes are for tests",
		module + "/pkg/consumer":     "each binary carries its own code only",
		awsSDK + "/service/dynamodb": "the receiver writes no table",
		chargebee:                    "the receiver never calls Chargebee",
		ociImages:                    "it is for making the images",
		"testing":                    "test code does not belong into production",
	},
	"cmd/consumer": {
		module + "/pkg/sandbox":  "fakes are for tests",
		module + "/pkg/receiver": "each binary carries its own code only",
		echo:                     "the consumer serves no webhooks",
		ociImages:                "it is for making the images",
		"testing":                "test code does not belong into production",
	},
}

// source is one package of the module, its test files left out.
type source struct {
	imports []string
	comment bool
}

// sources reads every Go file of the module. So the test cache detects every change.
func sources(t *testing.T) map[string]source {
	t.Helper()
	found := map[string]source{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		pkg := found[name]
		pkg.comment = pkg.comment || describes(parsed)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			pkg.imports = append(pkg.imports, imported)
		}
		found[name] = pkg
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// describes reports whether the file has the package comment.
func describes(file *ast.File) bool {
	text := file.Doc.Text()
	return strings.HasPrefix(text, "Package "+file.Name.Name+" ") || file.Name.Name == "main" && strings.HasPrefix(text, "Command ")
}

func TestLayers(t *testing.T) {
	t.Parallel()
	found := sources(t)
	for name, pkg := range found {
		rule, ok := rules[name]
		if !ok {
			t.Errorf("package %s is missing in the table of %s", name, "pkg/archtest")
			continue
		}
		for _, imported := range pkg.imports {
			if !rule.allows(imported) {
				t.Errorf("%s (%s) must not import %s", name, rule.why, imported)
			}
		}
	}
	for name := range rules {
		if _, ok := found[name]; !ok {
			t.Errorf("the table lists %s, which does not exist", name)
		}
	}
}

func (r rule) allows(imported string) bool {
	if own, ok := strings.CutPrefix(imported, module+"/pkg/"); ok {
		return slices.Contains(r.own, own)
	}
	if !strings.Contains(strings.Split(imported, "/")[0], ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(r.others, func(allowed string) bool {
		return allowed == "*" || imported == allowed || strings.HasPrefix(imported, allowed+"/")
	})
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	for name, pkg := range sources(t) {
		if !pkg.comment {
			t.Errorf("package %s has no comment: begin one with %q", name, "Package "+path.Base(name))
		}
	}
}

// TestBinariesLinkOnlyTheirOwn follows the imports of each binary within the module.
func TestBinariesLinkOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	found := sources(t)
	for binary, forbidden := range neverLinked {
		linked := map[string]string{} // import to importer
		var follow func(name string)
		follow = func(name string) {
			for _, imported := range found[name].imports {
				if _, seen := linked[imported]; seen {
					continue
				}
				linked[imported] = name
				if own, ok := strings.CutPrefix(imported, module+"/"); ok {
					follow(own)
				}
			}
		}
		follow(binary)
		for imported, importer := range linked {
			for prefix, why := range forbidden {
				if imported == prefix || strings.HasPrefix(imported, prefix+"/") {
					t.Errorf("%s links %s through %s: %s", binary, imported, importer, why)
				}
			}
		}
	}
}
