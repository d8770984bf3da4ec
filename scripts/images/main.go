// Command images builds the container images without a container engine. Each image has one
// layer for each platform: the static binary, the certificates of the public authorities and the
// license. The same source, toolchain, version and time give the same digest.
//
// For each program it writes an OCI layout, and one archive for docker load for each platform,
// and prints the digest of the index.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/billable-events/billable/scripts/cli"
)

const (
	title    = "images"
	module   = "github.com/billable-events/billable"
	registry = "ghcr.io/billable-events/billable" // as the Kubernetes manifests name it
)

type options struct {
	output    string
	version   string
	revision  string // commit
	created   time.Time
	platforms []v1.Platform
	programs  []string
}

// program is a binary and its description in the image.
type program struct {
	name, dir   string
	description string
	ports       []string
}

var programs = []program{
	{"receiver", "./cmd/receiver", "Takes Chargebee's webhooks and puts them into the queue", []string{"8080/tcp", "9090/tcp"}},
	{"consumer", "./cmd/consumer", "Puts usage charges on pending invoices, exactly once", []string{"9091/tcp"}},
	{"chargebee", "./scripts/chargebee", "A fake Chargebee, for deployments/compose", []string{"9333/tcp"}},
}

func main() { cli.Main(title, run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", title)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	for _, program := range programs {
		if !slices.Contains(o.programs, program.name) {
			continue
		}
		images := make([]v1.Image, len(o.platforms))
		for i, platform := range o.platforms {
			binary := filepath.Join(scratch, program.name)
			if err := build(ctx, program.dir, binary, platform, o.version); err != nil {
				return err
			}
			if images[i], err = newImage(program, binary, platform, o); err != nil {
				return err
			}
		}
		digest, err := write(program.name, images, o)
		if err != nil {
			return fmt.Errorf("write the image of %s: %w", program.name, err)
		}
		_, _ = fmt.Fprintln(stdout, filepath.Join(o.output, program.name), digest)
	}
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet(title, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.output, "output", filepath.Join("bin", "images"), "directory of the images")
	flags.StringVar(&o.version, "version", "", "version of the binaries and tag of the images; required")
	flags.StringVar(&o.revision, "revision", "", "commit of the source")
	created := flags.Int64("created", 0, "Unix seconds of the commit, the time of everything in the images")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "platforms, separated by commas")
	names := flags.String("programs", "receiver,consumer", "programs, separated by commas: receiver, consumer, chargebee")
	if err := cli.Parse(flags, args); err != nil {
		return o, err
	}
	o.created, o.programs = time.Unix(*created, 0).UTC(), strings.Split(*names, ",")
	for text := range strings.SplitSeq(*platforms, ",") {
		platform, err := v1.ParsePlatform(text)
		if err != nil || platform.OS != "linux" || platform.Architecture == "" {
			return o, cli.Usagef(title, stderr, "--platforms takes linux/amd64 and the like, not %q", text)
		}
		o.platforms = append(o.platforms, *platform)
	}
	if _, err := imageTag("receiver", o.version); err != nil {
		return o, cli.Usagef(title, stderr, "--version is the tag of the images, such as v1.2.3: %v", err)
	}
	return o, nil
}

// build builds a static binary that does not depend on the path of the source, on the Go
// settings of the caller or on whether git is installed.
func build(ctx context.Context, dir, binary string, platform v1.Platform, version string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", //nolint:gosec // of the programs in this package
		"-ldflags", "-s -w -X "+module+"/pkg/cli.version="+version, "-o", binary, dir)
	cmd.Env = append(os.Environ(),
		"CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Architecture,
		"GOAMD64=", "GOARM64=", "GOEXPERIMENT=", "GOFLAGS=", "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", dir, platform, err, output)
	}
	return nil
}

func imageTag(program, version string) (name.Tag, error) {
	return name.NewTag(registry+"/"+program+":"+version, name.StrictValidation)
}

// write writes the images of a program, one for each platform: as one index in an OCI layout, and
// each as an archive, since docker load takes no index. It returns the digest of the index.
func write(program string, images []v1.Image, o options) (v1.Hash, error) {
	tag, err := imageTag(program, o.version)
	if err != nil {
		return v1.Hash{}, err
	}
	directory := filepath.Join(o.output, program)
	if err := os.RemoveAll(directory); err != nil {
		return v1.Hash{}, err
	}
	path, err := layout.Write(directory, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, platform := range o.platforms {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[i], Descriptor: v1.Descriptor{Platform: &platform}})
		archive := directory + "-" + strings.ReplaceAll(platform.String(), "/", "-") + ".tar"
		if err := tarball.WriteToFile(archive, tag, images[i]); err != nil {
			return v1.Hash{}, err
		}
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.version})); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}
