package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxAttributes      = 10
	maxAttributeName   = 256
	transportString    = 1
	transportBinary    = 2
	attributeNameChars = `A-Za-z0-9_.\-`
)

var (
	attributeName = regexp.MustCompile(`^[` + attributeNameChars + `]+$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\.[` + attributeNameChars + `]+)?$`)
)

// attribute is the value of a message attribute.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
type attribute struct {
	DataType    string  `json:"DataType"`
	StringValue *string `json:"StringValue,omitempty"`
	BinaryValue []byte  `json:"BinaryValue,omitempty"`
}

type attributes map[string]attribute

// check returns the first error, in the order of the names.
func (a attributes) check() error {
	if len(a) > maxAttributes {
		return invalidParameterValue.errorf("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(a), maxAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if err := checkAttributeName(name); err != nil {
			return err
		}
		if err := a[name].check(name); err != nil {
			return err
		}
	}
	return nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "" || len(name) > maxAttributeName:
		return invalidParameterValue.errorf("Message attribute name must be 1 to %d characters long.", maxAttributeName)
	case !attributeName.MatchString(name),
		strings.HasPrefix(name, "."), strings.HasSuffix(name, "."), strings.Contains(name, ".."):
		return invalidParameterValue.errorf("Invalid message attribute name '%s'.", name)
	case strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."):
		return invalidParameterValue.errorf("Message attribute name '%s' starts with a reserved prefix.", name)
	}
	return nil
}

func (a attribute) check(name string) error {
	kind, _, _ := strings.Cut(a.DataType, ".")
	switch {
	case a.DataType == "":
		return invalidParameterValue.errorf("The message attribute '%s' must contain a message attribute type.", name)
	case !attributeType.MatchString(a.DataType) || len(a.DataType) > maxAttributeName:
		return invalidParameterValue.errorf("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	case a.StringValue != nil && len(a.BinaryValue) > 0:
		return invalidParameterValue.errorf("Message attribute '%s' has multiple values.", name)
	case kind == "Binary" && len(a.BinaryValue) == 0, kind != "Binary" && (a.StringValue == nil || *a.StringValue == ""):
		return invalidParameterValue.errorf("The message attribute '%s' must contain a non-empty value of type '%s'.", name, kind)
	case kind == "Number" && !isNumber(*a.StringValue):
		return invalidParameterValue.errorf("Can't cast the value of message attribute '%s' to a number.", name)
	case kind == "String" && !isText(*a.StringValue):
		return invalidMessageContents.errorf("The message attribute '%s' contains characters outside the allowed set.", name)
	}
	return nil
}

// size returns what the attributes count toward the size of their message, in bytes.
func (a attributes) size() int {
	total := 0
	for name, value := range a {
		total += len(name) + len(value.DataType) + len(value.BinaryValue)
		if value.StringValue != nil {
			total += len(*value.StringValue)
		}
	}
	return total
}

// digest returns the MD5 of the attributes in the documented encoding, empty
// without attributes.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func (a attributes) digest() string {
	if len(a) == 0 {
		return ""
	}
	var encoded []byte
	add := func(part string) {
		encoded = binary.BigEndian.AppendUint32(encoded, uint32(len(part)))
		encoded = append(encoded, part...)
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		value := a[name]
		add(name)
		add(value.DataType)
		if value.StringValue != nil {
			encoded = append(encoded, transportString)
			add(*value.StringValue)
		} else {
			encoded = append(encoded, transportBinary)
			add(string(value.BinaryValue))
		}
	}
	return digest(string(encoded))
}

// digest returns the MD5 that the protocol prescribes, in hexadecimal.
func digest(data string) string {
	sum := md5.Sum([]byte(data))
	return hex.EncodeToString(sum[:])
}

// selected returns the attributes that a receiver asked for, by name or all of them by "All".
func (a attributes) selected(names []string) attributes {
	if slices.Contains(names, "All") {
		return a
	}
	chosen := attributes{}
	for _, name := range names {
		if value, ok := a[name]; ok {
			chosen[name] = value
		}
	}
	return chosen
}

func isNumber(value string) bool {
	_, err := strconv.ParseFloat(value, 64)
	return err == nil
}
