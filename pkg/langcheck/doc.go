// Package langcheck is a test. It refuses words in Go comments, identifiers, error and help texts,
// configuration comments and documentation for which the field has a better term, and checks the
// links between the pages of the documentation. CONTRIBUTING.md has the rules.
package langcheck
