package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// module is the path of the module whose programs are built, in the current directory.
const module = "github.com/billable-events/billable"

// build builds a program, static and without any path of this machine. What the caller's
// environment says of the compiler must not change the result, nor whether git is installed:
// the version is set and git's own stamp is left out.
func build(ctx context.Context, name, binary string, platform v1.Platform, version string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", //nolint:gosec // of the programs in this package
		"-ldflags", "-s -w -X "+module+"/pkg/cli.version="+version, "-o", binary, module+"/cmd/"+name)
	command.Env = append(os.Environ(),
		"CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture,
		"GOAMD64=", "GOARM64=", "GOEXPERIMENT=", "GOFLAGS=", "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", name, platform, err, output)
	}
	return nil
}
