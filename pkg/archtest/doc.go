// Package archtest has the table of permitted imports. Its test reads the source of the whole module.
package archtest
