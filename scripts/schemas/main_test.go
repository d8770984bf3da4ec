package main

import (
	"encoding/json"
	"testing"
)

func TestStrict(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ schema, want string }{
		"an object":           {`{"type":"object","description":"…","properties":{"a":{"type":"string"}}}`, `{"additionalProperties":false,"properties":{"a":{"type":"string"}},"type":"object"}`},
		"a map":               {`{"type":"object","additionalProperties":{"type":"integer","format":"int32"}}`, `{"additionalProperties":{"type":"integer"},"type":"object"}`},
		"anything":            {`{"type":"object"}`, `{"type":"object"}`},
		"a reference":         {`{"$ref":"#/definitions/port"}`, `{"additionalProperties":false,"properties":{"number":{"type":["string","integer"]}},"type":"object"}`},
		"a quantity":          {`{"$ref":"#/definitions/io.k8s.resource.Quantity"}`, `{"type":["string","number"]}`},
		"a port by name":      {`{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]}`, `{"type":["string","integer"]}`},
		"what is left open":   {`{"properties":{},"x-kubernetes-preserve-unknown-fields":true}`, `{"properties":{}}`},
		"one of several ways": {`{"properties":{"a":{},"b":{}},"oneOf":[{"properties":{"a":{"properties":{}}},"required":["a"]},{"required":["b"]}]}`, `{"additionalProperties":false,"oneOf":[{"properties":{"a":{"properties":{}}},"required":["a"]},{"required":["b"]}],"properties":{"a":{},"b":{}}}`},
		"a list":              {`{"type":"array","items":{"$ref":"#/definitions/port"},"maxItems":3}`, `{"items":{"additionalProperties":false,"properties":{"number":{"type":["string","integer"]}},"type":"object"},"maxItems":3,"type":"array"}`},
	} {
		var schema map[string]any
		if err := json.Unmarshal([]byte(test.schema), &schema); err != nil {
			t.Fatal(err)
		}
		known := definitions{"port": {"type": "object", "properties": map[string]any{"number": map[string]any{"type": "string", "format": "int-or-string"}}}}
		got, err := json.Marshal(known.strict(schema, true))
		if err != nil || string(got) != test.want {
			t.Errorf("%s:\n got %s %v\nwant %s", name, got, err, test.want)
		}
	}
}
