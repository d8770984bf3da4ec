package dynamodbtest

// Known lists, by service, the checks that it is known to fail, and why. docs/conformance.md
// shows it; make conformance reports differences that are new or gone.
var Known = map[string]map[string]string{
	"ministack": {
		"conditions/functions and operators":                "contains() on a set compares numbers as text: 2.0 is not in {2}",
		"conditions/malformed":                              "wrong operators, functions and types make a condition false instead of invalid",
		"indexes/keys of the wrong type":                    "a key of an index that DynamoDB refuses is accepted",
		"queries/conditions that no key can meet":           "OR is accepted in a key condition",
		"queries/no filter on the key":                      "a filter on a key attribute is accepted",
		"queries/invalid start keys":                        "an invalid start key is accepted",
		"tables/an index that does not fit":                 "a name of two characters is accepted",
		"transactions/an update that does not fit its item": "an update of a transaction that fails on types is accepted",
		"updates/ADD to sets":                               "a set may not hold 1 and 1.0 when it is added to, though they are equal",
		"updates/a failing update changes nothing":          "arithmetic on a text is accepted",
		"validations/IN has 100 values":                     "more are accepted",
		"validations/equal numbers are one key":             "keys are compared as text: 1.0 and 1 are two",
		"validations/placeholders must be defined and used": "a value whose name has no colon is refused with another message",
		"validations/reserved words":                        "the message names another expression than the one with the word",
		"validations/syntax errors":                         "an expression with a syntax error is accepted",
	},
}
