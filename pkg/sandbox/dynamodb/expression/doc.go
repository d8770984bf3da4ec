// Package expression is the language of DynamoDB's condition, filter, key
// condition, update and projection expressions: a lexer, a recursive-descent
// parser with one method per rule, and a syntax tree that evaluates itself.
//
// Placeholders are resolved while parsing, so the tree holds names and values
// only. What is wrong with an expression is reported as a ValidationError in
// the service's words.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
package expression
