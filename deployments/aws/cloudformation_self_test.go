package aws_test

import (
	"reflect"
	"strings"
	"testing"
)

const smallTemplate = `
Parameters:
  Prefix: {Type: String, Default: pre}
  Key: {Type: String, Default: ""}
  Wanted: {Type: String}
Conditions:
  Own: !Not [!Equals [!Ref Key, ""]]
Resources:
  One:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Name: !Sub "${Prefix}-one"
      Number: 7
      Flag: true
      Key: !If [Own, !Ref Key, !Ref "AWS::NoValue"]
      List: [a, !If [Own, own, !Ref "AWS::NoValue"]]
      Arn: !GetAtt Two.Arn
      More:
        Sub: !Sub
          - "${Local}/${Prefix}/${Two.Arn}/${AWS::Region}"
          - {Local: !Ref Prefix}
  Two:
    Type: T
    DeletionPolicy: Retain
    Properties: {Needs: !Ref Wanted}
  Strange:
    Type: T
    Properties: {Strange: !Cidr [a, b]}
`

func TestStackTemplate_Resource(t *testing.T) {
	t.Parallel()
	template, err := parseTemplate([]byte(smallTemplate))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		values references
		key    any
		list   []any
	}{
		"a condition that does not hold": {references{}, nil, []any{"a"}},
		"a condition that holds":         {references{"Key": "k"}, "k", []any{"a", "own"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.values["Two.Arn"], test.values["AWS::Region"] = "arn", "here"
			got, err := template.resource("One", test.values)
			want := map[string]any{
				"Name": "pre-one", "Number": 7, "Flag": true, "Arn": "arn", "List": test.list,
				"More": map[string]any{"Sub": "pre/pre/arn/here"},
			}
			if test.key != nil {
				want["Key"] = test.key
			}
			if err != nil || got.kind != "AWS::SQS::Queue" || !got.kept || !reflect.DeepEqual(got.properties, want) {
				t.Errorf("got %+v, %v\nwant %v", got, err, want)
			}
		})
	}
	if two, err := template.resource("Two", references{"Wanted": "w"}); err != nil || two.kept {
		t.Errorf("without UpdateReplacePolicy: %+v, %v", two, err)
	}
	if got := strings.Join(template.names(), " "); got != "One Strange Two" {
		t.Errorf("names %s", got)
	}
}

func TestStackTemplate_UnknownReferences(t *testing.T) {
	t.Parallel()
	template, err := parseTemplate([]byte(smallTemplate))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"One": "has no value", "Two": "Wanted has no value", "Strange": "Fn::Cidr", "Three": "no resource Three",
	} {
		if _, err := template.resource(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for _, text := range []string{"a: [", "- a"} {
		if _, err := parseTemplate([]byte(text)); err == nil {
			t.Errorf("%q is a template", text)
		}
	}
}
