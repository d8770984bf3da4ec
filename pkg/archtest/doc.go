// Package archtest holds the architecture: which package may import which. It is
// executed by its test, which reads the source of the whole module.
package archtest
