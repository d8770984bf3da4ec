package cloudformation_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/billable-events/billable/scripts/cloudformation"
)

const text = `
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
Outputs:
  Out: {Value: !Ref One}
`

func TestTemplate_Resource(t *testing.T) {
	t.Parallel()
	template, err := cloudformation.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		values cloudformation.Values
		key    any
		list   []any
	}{
		"a condition that does not hold": {cloudformation.Values{}, nil, []any{"a"}},
		"a condition that holds":         {cloudformation.Values{"Key": "k"}, "k", []any{"a", "own"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.values["Two.Arn"], test.values["AWS::Region"] = "arn", "here"
			got, err := template.Resource("One", test.values)
			want := map[string]any{
				"Name": "pre-one", "Number": 7, "Flag": true, "Arn": "arn", "List": test.list,
				"More": map[string]any{"Sub": "pre/pre/arn/here"},
			}
			if test.key != nil {
				want["Key"] = test.key
			}
			if err != nil || got.Type != "AWS::SQS::Queue" || !got.Kept || !reflect.DeepEqual(got.Properties, want) {
				t.Errorf("got %+v, %v\nwant %v", got, err, want)
			}
		})
	}
	if two, err := template.Resource("Two", cloudformation.Values{"Wanted": "w"}); err != nil || two.Kept {
		t.Errorf("without UpdateReplacePolicy: %+v, %v", two, err)
	}
	if got := strings.Join(append(template.Names(), template.Outputs()...), " "); got != "One Strange Two Out" {
		t.Errorf("names %s", got)
	}
}

func TestTemplate_UnknownReferences(t *testing.T) {
	t.Parallel()
	template, err := cloudformation.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"One": "has no value", "Two": "Wanted has no value", "Strange": "Fn::Cidr", "Three": "no resource Three",
	} {
		if _, err := template.Resource(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for _, text := range []string{"a: [", "- a"} {
		if _, err := cloudformation.Parse([]byte(text)); err == nil {
			t.Errorf("%q is a template", text)
		}
	}
}
