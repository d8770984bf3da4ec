// Command images builds the container images of both binaries without a container engine, for
// each platform a layer with the binary and the certificates of the public authorities. The same
// source, toolchain, version and time make the same digests.
//
// For each image it writes an OCI layout, and archives that docker load takes, and prints the
// digest. It exits with 0 if all were built, with 1 if not, with 2 if it was called wrongly.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/billable-events/billable/scripts/cli"
)

// registry is where releases are published, as the manifests for Kubernetes name it.
const registry = "ghcr.io/billable-events/billable"

const title = "images"

// options is what is built, and from what.
type options struct {
	output       string
	version      string
	revision     string // of the source, as git names it
	created      time.Time
	platforms    []v1.Platform
	certificates string // write only these, into this file
}

func main() { cli.Main(title, run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.certificates != "" {
		return writeCertificates(o.certificates)
	}
	scratch, err := os.MkdirTemp("", "images")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	for _, program := range programs {
		images := map[string]v1.Image{}
		for _, platform := range o.platforms {
			binary := filepath.Join(scratch, program.name+"-"+dashed(platform))
			if err := build(ctx, program.name, binary, platform, o.version); err != nil {
				return err
			}
			if images[platform.String()], err = newImage(program, binary, platform, o); err != nil {
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
	created := flags.Int64("created", 0, "unix seconds of the commit: the time of everything in the images")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "what to build for, with commas between")
	flags.StringVar(&o.certificates, "certificates", "", "write only the certificates, into this file")
	if err := cli.Parse(flags, args); err != nil {
		return o, err
	}
	o.created = time.Unix(*created, 0).UTC()
	for name := range strings.SplitSeq(*platforms, ",") {
		platform, err := v1.ParsePlatform(name)
		if err != nil || platform.OS != "linux" || platform.Architecture == "" {
			return o, cli.Usagef(title, stderr, "--platforms takes linux/amd64 and the like, not %q", name)
		}
		o.platforms = append(o.platforms, *platform)
	}
	switch _, err := tag("receiver", o.version); {
	case flags.NArg() > 0:
		return o, cli.Usagef(title, stderr, "unexpected argument %q", flags.Arg(0))
	case o.certificates == "" && err != nil:
		return o, cli.Usagef(title, stderr, "--version is the tag of the images, such as v1.2.3: %v", err)
	}
	return o, nil
}

func dashed(platform v1.Platform) string { return strings.ReplaceAll(platform.String(), "/", "-") }
