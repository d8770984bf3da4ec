package main

import (
	"bytes"
	"encoding/pem"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// certificates are the authorities that Mozilla trusts with servers, as a PEM file. They come
// from a Go module, so go.sum says which they are: those of the machine that builds are
// whatever its last update left there. They are a file of the image, not a part of the
// binaries, so that another file can be mounted in its place.
//
// An authority that is trusted for a part of its certificates only is left out: a file cannot
// say for which.
func certificates() ([]byte, error) {
	var file bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	return file.Bytes(), nil
}

// writeCertificates writes the file for those who build images in another way.
func writeCertificates(path string) error {
	content, err := certificates()
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644) //nolint:gosec // everybody may read it
}
