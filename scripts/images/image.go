package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
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
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	binaryDir = "/usr/local/bin"
	// nonRoot is a number, because Kubernetes' runAsNonRoot does not resolve names.
	nonRoot = "65532:65532"
)

// newImage makes the image of a program for a platform.
func newImage(program program, binary string, platform v1.Platform, o options) (v1.Image, error) {
	content, err := os.ReadFile(binary) //nolint:gosec // it was built just now
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return nil, err
	}
	layer, err := newLayer(o.created, []file{
		{"/etc/ssl/certs/ca-certificates.crt", certificates(), 0o644},
		{"/licenses/LICENSE", license, 0o644},
		{path.Join(binaryDir, program.name), content, 0o755},
	})
	if err != nil {
		return nil, fmt.Errorf("make the layer of %s: %w", program.name, err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: o.created}
	image, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "scripts/images"}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created = created
	config.OS, config.Architecture, config.Variant = platform.OS, platform.Architecture, platform.Variant
	config.Config = v1.Config{
		User:         nonRoot,
		Entrypoint:   []string{path.Join(binaryDir, program.name)},
		Env:          []string{"PATH=" + binaryDir},
		WorkingDir:   "/",
		ExposedPorts: map[string]struct{}{},
		Labels:       map[string]string{},
	}
	for _, port := range program.ports {
		config.Config.ExposedPorts[port] = struct{}{}
	}
	for label, value := range map[string]string{
		"title": program.name, "description": program.description, "version": o.version, "revision": o.revision,
		"created": o.created.Format(time.RFC3339), "source": "https://" + module, "licenses": "Apache-2.0",
	} {
		config.Config.Labels["org.opencontainers.image."+label] = value
	}
	return mutate.ConfigFile(image, config)
}

// certificates returns the authorities that Mozilla trusts with servers, as a PEM file. They come
// from a Go module, so go.sum pins them. They are a file and not a part of the binary so that
// another file can be mounted in its place. A file cannot express constraints, so constrained
// authorities are left out.
func certificates() []byte {
	var file bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			file.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return file.Bytes()
}

// file is a file of an image.
type file struct {
	path    string
	content []byte
	mode    int64
}

// newLayer packs files, sorted by path, and the directories above them. Root owns them, and the
// program does not run as root.
func newLayer(created time.Time, files []file) (v1.Layer, error) {
	var archive bytes.Buffer
	packer := tar.NewWriter(&archive)
	packed := map[string]bool{}
	for _, file := range files {
		name := file.path[1:]
		for i, char := range name {
			if directory := name[:i]; char == '/' && !packed[directory] {
				packed[directory] = true
				if err := packer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: directory + "/", Mode: 0o755, ModTime: created}); err != nil {
					return nil, err
				}
			}
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: file.mode, Size: int64(len(file.content)), ModTime: created}
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
