package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/cloudformation"
)

const (
	template  = "deployments/aws/billable.yaml"
	stackName = "conformance"
	topic     = "arn:aws:sns:" + region + ":000000000000:alarms"
	region    = "eu-central-1"
)

// unkept are the properties that ministack ignores, and why, by resource and path.
var unkept = map[string]string{
	"EventsTable.PointInTimeRecoverySpecification": "point-in-time recovery stays off",
	"LedgerTable.PointInTimeRecoverySpecification": "point-in-time recovery stays off",
	"LedgerTable.TimeToLiveSpecification":          "the time to live stays off",
}

// parameters are the parameters of the stack, with a prefix of its own.
var parameters = map[string]string{"Prefix": stackName, "AlarmTopicArn": topic}

// stack is a stack that CloudFormation created.
type stack struct {
	aws       cloud
	physical  map[string]string // names or ids by logical ids
	outputs   map[string]string
	resources map[string]cloudformation.Resource // as in the template
}

// makeStack creates the template's resources.
func makeStack(ctx context.Context, url, body string) (*stack, error) {
	s := &stack{aws: cloud{url}, physical: map[string]string{}, outputs: map[string]string{}}
	create := map[string]string{"StackName": stackName, "TemplateBody": body, "Capabilities.member.1": "CAPABILITY_IAM"}
	for i, name := range slices.Sorted(maps.Keys(parameters)) {
		create[fmt.Sprintf("Parameters.member.%d.ParameterKey", i+1)] = name
		create[fmt.Sprintf("Parameters.member.%d.ParameterValue", i+1)] = parameters[name]
	}
	if err := s.aws.query(ctx, "cloudformation", "CreateStack", create, nil); err != nil {
		return nil, err
	}
	if err := s.created(ctx); err != nil {
		return nil, err
	}
	var found struct {
		Resources []struct {
			LogicalID  string `xml:"LogicalResourceId"`
			PhysicalID string `xml:"PhysicalResourceId"`
		} `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	if err := s.aws.query(ctx, "cloudformation", "DescribeStackResources", map[string]string{"StackName": stackName}, &found); err != nil {
		return nil, err
	}
	for _, resource := range found.Resources {
		s.physical[resource.LogicalID] = resource.PhysicalID
	}
	return s, s.want(body)
}

// created waits until the stack is created or failed.
func (s *stack) created(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		var found struct {
			Status  string `xml:"DescribeStacksResult>Stacks>member>StackStatus"`
			Outputs []struct {
				Name  string `xml:"OutputKey"`
				Value string `xml:"OutputValue"`
			} `xml:"DescribeStacksResult>Stacks>member>Outputs>member"`
		}
		if err := s.aws.query(ctx, "cloudformation", "DescribeStacks", map[string]string{"StackName": stackName}, &found); err != nil {
			return err
		}
		for _, output := range found.Outputs {
			s.outputs[output.Name] = output.Value
		}
		switch {
		case found.Status == "CREATE_COMPLETE":
			return nil
		case !strings.HasSuffix(found.Status, "IN_PROGRESS"):
			return fmt.Errorf("the stack is %s", found.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the stack was not created within %s", startLimit)
		case <-time.After(pollInterval):
		}
	}
}

// want resolves the resources of the template.
func (s *stack) want(body string) error {
	text, err := cloudformation.Parse([]byte(body))
	if err != nil {
		return err
	}
	values := cloudformation.Values{
		"AWS::Region": region, "AWS::AccountId": "000000000000", "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"Queue.Arn": s.outputs["QueueArn"], "DeadLetters.Arn": s.outputs["DeadLetterQueueArn"],
		"EventsTable.Arn": s.outputs["EventsTableArn"], "LedgerTable.Arn": s.outputs["LedgerTableArn"],
		"Queue.QueueName": stackName + "-webhooks", "DeadLetters.QueueName": stackName + "-webhooks-dead",
	}
	maps.Copy(values, s.physical)
	maps.Copy(values, parameters)
	s.resources = map[string]cloudformation.Resource{}
	for _, name := range text.Names() {
		if s.resources[name], err = text.Resource(name, values); err != nil {
			return err
		}
	}
	for _, name := range text.Outputs() {
		if s.outputs[name] == "" {
			err = errors.Join(err, fmt.Errorf("the stack has no output %s", name))
		}
	}
	return err
}

// readBack reads the resources and returns the number of properties that are as in the
// template, and the others.
func (s *stack) readBack(ctx context.Context) (right int, surprises []string, err error) {
	missed := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.resources)) {
		resource := s.resources[name]
		read, ok := readers[resource.Type]
		if !ok {
			return right, nil, fmt.Errorf("%s: there is no reader of %s", name, resource.Type)
		}
		id := s.physical[name]
		if queue, ok := resource.Properties["Queues"].([]any); ok && len(queue) == 1 {
			id = fmt.Sprint(queue[0]) // a policy has no id in SQS
		}
		found, err := read(ctx, s.aws, id)
		if err != nil {
			return right, nil, fmt.Errorf("%s: %w", name, err)
		}
		for property, wanted := range resource.Properties {
			path := name + "." + property
			difference := compare(wanted, found[property])
			switch _, known := unkept[path]; {
			case difference == "" && known:
				surprises = append(surprises, path+" is right now: remove it from unkept")
			case difference == "":
				right++
			case !known:
				surprises = append(surprises, path+" "+difference)
			default:
				missed[path] = true
			}
		}
	}
	for path := range unkept {
		if !missed[path] {
			surprises = append(surprises, "the template has no "+path+", or it is right: remove it from unkept")
		}
	}
	slices.Sort(surprises)
	return right, surprises, nil
}

// compare returns how two values differ; nothing if they do not. Services may write numbers
// and booleans as texts.
func compare(wanted, found any) string {
	if left, right := canonical(wanted), canonical(found); left != right {
		return fmt.Sprintf("is %s, want %s", right, left)
	}
	return ""
}

// canonical returns a value as JSON, with all scalars as texts.
func canonical(value any) string {
	encoded, err := json.Marshal(scalarsAsTexts(value))
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}

func scalarsAsTexts(value any) any {
	switch value := value.(type) {
	case map[string]any:
		texts := map[string]any{}
		for key, member := range value {
			texts[key] = scalarsAsTexts(member)
		}
		return texts
	case []any:
		texts := make([]any, len(value))
		for i, member := range value {
			texts[i] = scalarsAsTexts(member)
		}
		return texts
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case nil:
		return nil
	default:
		return fmt.Sprint(value)
	}
}
