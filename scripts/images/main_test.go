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
	"runtime"
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

// repository is the module's directory: whoever builds, builds there.
const repository = "../.."

// asContainer makes the test binary a container: the variable names the directory that is its
// root, and the arguments are the command.
const asContainer = "IMAGES_TEST_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(asContainer); root != "" {
		panic(contain(root, os.Args[1:]))
	}
	if err := os.Chdir(repository); err != nil {
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

// here is the platform that this machine runs, in a container or not.
func here() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// built builds the image of a program for this machine.
func built(t *testing.T, program program) (image v1.Image, binary []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "binary")
	o := someOptions(t)
	if err := build(t.Context(), program.name, path, here(), o.version); err != nil {
		t.Fatal(err)
	}
	image, err := newImage(program, path, here(), o)
	if err != nil {
		t.Fatal(err)
	}
	binary, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return image, binary
}

func digest(t *testing.T, image interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// TestSameDigestTwice: the digest says what was built from, not where and when.
func TestSameDigestTwice(t *testing.T) {
	first, binary := built(t, programs[0])
	t.Setenv("GOFLAGS", "-tags=some")
	t.Setenv("GOAMD64", "v2")
	second, _ := built(t, programs[0])
	if digest(t, first) != digest(t, second) {
		t.Errorf("%s, then %s", digest(t, first), digest(t, second))
	}
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(binary, []byte(directory)) {
		t.Errorf("the binary names %s", directory)
	}
}

// fakeImages are images of some bytes, for all platforms.
func fakeImages(t *testing.T, program program, o options) map[string]v1.Image {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "binary")
	images := map[string]v1.Image{}
	for _, platform := range o.platforms {
		if err := os.WriteFile(binary, []byte("binary for "+platform.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		image, err := newImage(program, binary, platform, o)
		if err != nil {
			t.Fatal(err)
		}
		images[platform.String()] = image
	}
	return images
}

func TestImage(t *testing.T) {
	t.Parallel()
	image := fakeImages(t, programs[0], someOptions(t))["linux/arm64"]
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
			t.Errorf("%s is somebody's, or of another time: %+v", header.Name, header)
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

// TestWrite reads back what was written, twice: a second build leaves nothing of the first.
func TestWrite(t *testing.T) {
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
		image := images[platform.String()]
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

// TestCertificates: those whom AWS and Chargebee have their certificates from are among them.
func TestCertificates(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "certificates")
	if err := run(t.Context(), []string{"--certificates", path}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	rest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("no certificate: %q", rest)
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
