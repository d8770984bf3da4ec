package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDockerfile: those who build with Docker get the same.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("deployments/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]string{}
	for stage := range strings.SplitSeq(strings.ReplaceAll(string(content), "\\\n", " "), "\nFROM ") {
		first, rest, _ := strings.Cut(stage, "\n")
		if _, name, ok := strings.Cut(first, " AS "); ok {
			stages[name] = strings.Join(strings.Fields(rest), " ")
		}
	}
	has := func(stage, instruction string) {
		t.Helper()
		if !strings.Contains(stages[stage], instruction) {
			t.Errorf("the stage %s has no %s", stage, instruction)
		}
	}
	has("build", `go build -trimpath -buildvcs=false -ldflags "-s -w -X `+module+"/pkg/cli.version=")
	has("base", "USER "+user)
	has("base", "COPY --from=build /built/ca-certificates.crt "+certificatePath)
	has("base", "COPY LICENSE "+licensePath)
	has("base", "ENV PATH="+directory)
	for _, program := range programs {
		has(program.name, fmt.Sprintf("COPY --from=build /built/%s %s/%[1]s", program.name, directory))
		has(program.name, fmt.Sprintf("ENTRYPOINT [%q]", directory+"/"+program.name))
		has(program.name, "EXPOSE "+strings.ReplaceAll(strings.Join(program.ports, " "), "/tcp", "")+" ENTRYPOINT")
		for label, value := range labels(program, options{version: "${VERSION}", revision: "${REVISION}"}) {
			if label == "org.opencontainers.image.created" {
				continue // Docker has a time of its own
			}
			if want := fmt.Sprintf("%s=%q", label, value); !strings.Contains(stages["base"]+stages[program.name], want) {
				t.Errorf("the image of %s has no label %s", program.name, want)
			}
		}
	}
	if strings.Contains(stages["base"]+stages["receiver"]+stages["consumer"], "HEALTHCHECK") {
		t.Error("orchestrators ask the admin listener, and the image has no program to ask with")
	}
}
