package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	directory       = "/usr/local/bin"
	certificatePath = "/etc/ssl/certs/ca-certificates.crt"
	licensePath     = "/licenses/LICENSE"
	source          = "https://github.com/billable-events/billable"
)

// user is nobody's: a number, because Kubernetes' runAsNonRoot cannot judge a name.
const user = "65532:65532"

// program is one of the binaries, and what its image says of it.
type program struct {
	name        string
	description string
	ports       []string
}

var programs = []program{
	{"receiver", "Takes Chargebee's webhooks and puts them into the queue", []string{"8080/tcp", "9090/tcp"}},
	{"consumer", "Puts usage charges on pending invoices, exactly once", []string{"9091/tcp"}},
}

// newImage makes the image of a program for a platform.
func newImage(program program, binary string, platform v1.Platform, o options) (v1.Image, error) {
	content, err := os.ReadFile(binary) //nolint:gosec // it was built just now
	if err != nil {
		return nil, err
	}
	roots, err := certificates()
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return nil, err
	}
	layer, err := newLayer(o.created, []file{
		{certificatePath, roots, 0o644},
		{licensePath, license, 0o644},
		{path.Join(directory, program.name), content, 0o755},
	})
	if err != nil {
		return nil, fmt.Errorf("make the layer of %s: %w", program.name, err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: o.created}, CreatedBy: "scripts/images"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = v1.Time{Time: o.created}
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config = v1.Config{
		User:         user,
		Entrypoint:   []string{path.Join(directory, program.name)},
		Env:          []string{"PATH=" + directory},
		WorkingDir:   "/",
		ExposedPorts: map[string]struct{}{},
		Labels:       labels(program, o),
	}
	for _, port := range program.ports {
		config.Config.ExposedPorts[port] = struct{}{}
	}
	return mutate.ConfigFile(image, config)
}

func labels(program program, o options) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":       program.name,
		prefix + "description": program.description,
		prefix + "version":     o.version,
		prefix + "revision":    o.revision,
		prefix + "created":     o.created.Format(time.RFC3339),
		prefix + "source":      source,
		prefix + "licenses":    "Apache-2.0",
	}
}

// file is one file of an image.
type file struct {
	path    string
	content []byte
	mode    int64
}

// newLayer packs files, sorted by path, and the directories above them. All belong to root,
// who the program is not.
func newLayer(created time.Time, files []file) (v1.Layer, error) {
	var archive bytes.Buffer
	packer := tar.NewWriter(&archive)
	packed := map[string]bool{}
	for _, file := range files {
		for _, above := range ancestors(file.path) {
			if packed[above] {
				continue
			}
			packed[above] = true
			if err := packer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: above[1:] + "/", Mode: 0o755, ModTime: created}); err != nil {
				return nil, err
			}
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: file.path[1:], Mode: file.mode, Size: int64(len(file.content)), ModTime: created}
		if err := packer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := packer.Write(file.content); err != nil {
			return nil, err
		}
	}
	if err := packer.Close(); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

// ancestors are the directories above a file, from the top.
func ancestors(file string) []string {
	above := path.Dir(file)
	if above == "/" {
		return nil
	}
	return append(ancestors(above), above)
}
