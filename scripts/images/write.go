package main

import (
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func tag(program, version string) (name.Tag, error) {
	return name.NewTag(registry+"/"+program+":"+version, name.StrictValidation)
}

// write writes the images of a program, by platform: as one index in an OCI layout, and each as
// an archive for docker load, which takes no index. It returns the digest of the index.
func write(program string, images map[string]v1.Image, o options) (v1.Hash, error) {
	tag, err := tag(program, o.version)
	if err != nil {
		return v1.Hash{}, err
	}
	directory := filepath.Join(o.output, program)
	if err := os.RemoveAll(directory); err != nil {
		return v1.Hash{}, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range o.platforms {
		image := images[platform.String()]
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
		if err := os.MkdirAll(o.output, 0o750); err != nil {
			return v1.Hash{}, err
		}
		archive := filepath.Join(o.output, program+"-"+dashed(platform)+".tar")
		if err := tarball.WriteToFile(archive, tag, image); err != nil {
			return v1.Hash{}, err
		}
	}
	path, err := layout.Write(directory, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.version})); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}
