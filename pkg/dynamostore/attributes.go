package dynamostore

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Attributes that several kinds of items share.
const (
	attributeInvoiceID = "invoice_id"
	attributeWrite     = "write" // Record.Version
	attributeExpiresAt = "expires_at"
)

func text(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }

func number[N ~int | ~int64](value N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(value), 10)}
}

// writer sets attributes of an item. It leaves out zero values.
type writer item

func (w writer) text(name, value string) {
	if value != "" {
		w[name] = text(value)
	}
}

func (w writer) number(name string, value int64) {
	if value != 0 {
		w[name] = number(value)
	}
}

func (w writer) flag(name string, value bool) {
	if value {
		w[name] = &types.AttributeValueMemberBOOL{Value: true}
	}
}

// reader reads attributes of an item. It returns zero values for attributes that are absent or of another type.
type reader item

func (r reader) text(name string) string {
	value, _ := r[name].(*types.AttributeValueMemberS)
	if value == nil {
		return ""
	}
	return value.Value
}

func (r reader) number(name string) int64 {
	value, _ := r[name].(*types.AttributeValueMemberN)
	if value == nil {
		return 0
	}
	parsed, _ := strconv.ParseInt(value.Value, 10, 64)
	return parsed
}

func (r reader) flag(name string) bool {
	value, _ := r[name].(*types.AttributeValueMemberBOOL)
	return value != nil && value.Value
}

// object returns a map attribute, or nil.
func (r reader) object(name string) reader {
	value, _ := r[name].(*types.AttributeValueMemberM)
	if value == nil {
		return nil
	}
	return value.Value
}
