package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/billable-events/billable/scripts/cli"
)

// containerRoot names the variable that makes the test binary a container with this root
// directory. Its arguments are the command.
const containerRoot = "IMAGES_TEST_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(containerRoot); root != "" {
		panic(contain(root, os.Args[1:]))
	}
	if err := os.Chdir("../.."); err != nil { // programs are built from the root of the module
		panic(err)
	}
	os.Exit(m.Run())
}

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func someOptions(t *testing.T) options {
	t.Helper()
	return options{
		output: t.TempDir(), version: "v1.2.3", revision: "0123abc", created: created,
		platforms: []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}},
	}
}

func digest(t *testing.T, image interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// TestBuild_SameBinaryTwice builds a small module, whatever the Go settings of the caller.
func TestBuild_SameBinaryTwice(t *testing.T) {
	directory := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module small\n", "main.go": "package main\n\nfunc main() { panic(1) }\n",
	} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(directory)
	built := func() []byte {
		if err := build(t.Context(), ".", "binary", v1.Platform{OS: "linux", Architecture: "amd64"}, "v1.2.3"); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile("binary")
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	first := built()
	t.Setenv("GOFLAGS", "-tags=some")
	t.Setenv("GOAMD64", "v2")
	if !bytes.Equal(first, built()) {
		t.Error("the second binary differs")
	}
	if bytes.Contains(first, []byte(directory)) {
		t.Errorf("the binary contains the path %s", directory)
	}
}

// fakeImages makes images of a few bytes, for all platforms.
func fakeImages(t *testing.T, program program, o options) []v1.Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "binary")
	var images []v1.Image
	for _, platform := range o.platforms {
		if err := os.WriteFile(binary, []byte("binary for "+platform.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		image, err := newImage(program, binary, platform, o)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image)
	}
	return images
}

func TestNewImage(t *testing.T) {
	t.Parallel()
	image := fakeImages(t, programs[0], someOptions(t))[1]
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.Architecture != "arm64" || config.OS != "linux" || !config.Created.Equal(created) ||
		!slices.Equal(config.Config.Entrypoint, []string{"/usr/local/bin/receiver"}) || config.Config.Healthcheck != nil {
		t.Errorf("got %+v", config)
	}
	for label, want := range map[string]string{
		"version": "v1.2.3", "revision": "0123abc", "created": "2026-01-02T03:04:05Z", "licenses": "Apache-2.0", "title": "receiver",
		"source": "https://github.com/billable-events/billable",
	} {
		if got := config.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("the label %s is %q, want %q", label, got, want)
		}
	}
	var found []string
	files := mutate.Extract(image)
	defer files.Close()
	for unpacked := tar.NewReader(files); ; {
		header, err := unpacked.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Mode&0o022 != 0 || !header.ModTime.Equal(created) {
			t.Errorf("%s has the wrong owner, mode or time: %+v", header.Name, header)
		}
		if header.Typeflag == tar.TypeReg {
			found = append(found, header.Name)
		}
	}
	slices.Sort(found)
	if want := []string{"etc/ssl/certs/ca-certificates.crt", "licenses/LICENSE", "usr/local/bin/receiver"}; !slices.Equal(found, want) {
		t.Errorf("the image has the files %v, want %v", found, want)
	}
}

// TestWrite_ReplacesWhatWasThere reads back what was written twice.
func TestWrite_ReplacesWhatWasThere(t *testing.T) {
	t.Parallel()
	o := someOptions(t)
	images := fakeImages(t, programs[1], o)
	if _, err := write("consumer", images, o); err != nil {
		t.Fatal(err)
	}
	wanted, err := write("consumer", images, o)
	if err != nil {
		t.Fatal(err)
	}
	all, err := layout.ImageIndexFromPath(filepath.Join(o.output, "consumer"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != wanted || manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "v1.2.3" {
		t.Fatalf("the layout has %+v, want %s", manifest.Manifests, wanted)
	}
	index, err := all.ImageIndex(wanted)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	if manifest, err = index.IndexManifest(); err != nil {
		t.Fatal(err)
	}
	for i, platform := range o.platforms {
		image := images[i]
		if got := manifest.Manifests[i]; !got.Platform.Equals(platform) || got.Digest != digest(t, image) {
			t.Errorf("%+v, want %s", got, platform)
		}
		loaded, err := tarball.ImageFromPath(filepath.Join(o.output, "consumer-linux-"+platform.Architecture+".tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := loaded.ConfigName()
		if want, err := image.ConfigName(); err != nil || got != want {
			t.Errorf("the archive has the image %s, want %s, %v", got, want, err)
		}
	}
}

// TestCertificates_HasTheAuthoritiesOfAWSAndChargebee parses every certificate.
func TestCertificates_HasTheAuthoritiesOfAWSAndChargebee(t *testing.T) {
	t.Parallel()
	var names []string
	for rest := certificates(); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("not a certificate: %q", rest)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, certificate.Subject.CommonName)
	}
	for _, want := range []string{"Amazon Root CA 1", "Amazon Root CA 4", "Starfield Services Root Certificate Authority - G2"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %v", want, names)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                     "--version is the tag",
		"--version v1.2+3":     "--version is the tag",
		"--version v1 more":    `unexpected argument "more"`,
		"--bogus":              "flag provided but not defined",
		"--platforms linux":    "not \"linux\"",
		"--platforms darwin/a": "not \"darwin/a\"",
	} {
		var stderr bytes.Buffer
		err := run(t.Context(), strings.Fields(args), io.Discard, &stderr)
		if cli.ExitCode(title, err, &stderr) != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: %v\n%s\nwant %s", args, err, &stderr, want)
		}
	}
	if code := cli.ExitCode(title, run(t.Context(), []string{"--help"}, io.Discard, io.Discard), io.Discard); code != 0 {
		t.Errorf("--help: exit code %d", code)
	}
}
