package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// readers read a resource by its physical id, with the property names of the template.
var readers = map[string]func(ctx context.Context, aws cloud, id string) (map[string]any, error){
	"AWS::SQS::Queue":         readQueue,
	"AWS::SQS::QueuePolicy":   readQueuePolicy,
	"AWS::DynamoDB::Table":    readTable,
	"AWS::IAM::Role":          readRole,
	"AWS::IAM::ManagedPolicy": readPolicy,
	"AWS::CloudWatch::Alarm":  readAlarm,
}

func readQueue(ctx context.Context, aws cloud, id string) (map[string]any, error) {
	var found struct{ Attributes map[string]any }
	if err := aws.json(ctx, "sqs", "AmazonSQS.GetQueueAttributes", map[string]any{"QueueUrl": id, "AttributeNames": []string{"All"}}, &found); err != nil {
		return nil, err
	}
	found.Attributes["QueueName"] = path.Base(id)
	for _, name := range []string{"RedrivePolicy", "RedriveAllowPolicy"} {
		text, ok := found.Attributes[name].(string)
		if !ok {
			continue
		}
		var policy map[string]any
		if err := json.Unmarshal([]byte(text), &policy); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		found.Attributes[name] = policy
	}
	return found.Attributes, nil
}

// readQueuePolicy reads the policy of a queue by the id of the queue.
func readQueuePolicy(ctx context.Context, aws cloud, id string) (map[string]any, error) {
	var found struct{ Attributes struct{ Policy string } }
	if err := aws.json(ctx, "sqs", "AmazonSQS.GetQueueAttributes", map[string]any{"QueueUrl": id, "AttributeNames": []string{"Policy"}}, &found); err != nil {
		return nil, err
	}
	var policy map[string]any
	if err := json.Unmarshal([]byte(found.Attributes.Policy), &policy); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return map[string]any{"Queues": []any{id}, "PolicyDocument": policy}, nil
}

func readTable(ctx context.Context, aws cloud, id string) (map[string]any, error) {
	var described struct{ Table map[string]any }
	var expiry struct{ TimeToLiveDescription map[string]any }
	var backups struct {
		ContinuousBackupsDescription struct {
			PointInTimeRecoveryDescription struct{ PointInTimeRecoveryStatus string }
		}
	}
	for target, found := range map[string]any{
		"DescribeTable": &described, "DescribeTimeToLive": &expiry, "DescribeContinuousBackups": &backups,
	} {
		if err := aws.json(ctx, "dynamodb", "DynamoDB_20120810."+target, map[string]any{"TableName": id}, found); err != nil {
			return nil, err
		}
	}
	table := described.Table
	if billing, ok := table["BillingModeSummary"].(map[string]any); ok {
		table["BillingMode"] = billing["BillingMode"]
	}
	table["TimeToLiveSpecification"] = map[string]any{
		"AttributeName": expiry.TimeToLiveDescription["AttributeName"],
		"Enabled":       expiry.TimeToLiveDescription["TimeToLiveStatus"] == "ENABLED",
	}
	recovery := backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus
	table["PointInTimeRecoverySpecification"] = map[string]any{"PointInTimeRecoveryEnabled": recovery == "ENABLED"}
	indexes, _ := table["GlobalSecondaryIndexes"].([]any)
	for i, index := range indexes {
		fields, _ := index.(map[string]any)
		indexes[i] = map[string]any{"IndexName": fields["IndexName"], "KeySchema": fields["KeySchema"], "Projection": fields["Projection"]}
	}
	return table, nil
}

func readRole(ctx context.Context, aws cloud, id string) (map[string]any, error) {
	var role struct {
		Description string `xml:"GetRoleResult>Role>Description"`
		Trust       string `xml:"GetRoleResult>Role>AssumeRolePolicyDocument"`
	}
	if err := aws.query(ctx, "iam", "GetRole", map[string]string{"RoleName": id}, &role); err != nil {
		return nil, err
	}
	trust, err := document(role.Trust)
	if err != nil {
		return nil, err
	}
	var attached struct {
		ARNs []string `xml:"ListAttachedRolePoliciesResult>AttachedPolicies>member>PolicyArn"`
	}
	if err := aws.query(ctx, "iam", "ListAttachedRolePolicies", map[string]string{"RoleName": id}, &attached); err != nil {
		return nil, err
	}
	policies := make([]any, len(attached.ARNs))
	for i, arn := range attached.ARNs {
		policies[i] = arn
	}
	return map[string]any{"Description": role.Description, "AssumeRolePolicyDocument": trust, "ManagedPolicyArns": policies}, nil
}

func readPolicy(ctx context.Context, aws cloud, id string) (map[string]any, error) {
	var policy struct {
		Description string `xml:"GetPolicyResult>Policy>Description"`
		Version     string `xml:"GetPolicyResult>Policy>DefaultVersionId"`
	}
	if err := aws.query(ctx, "iam", "GetPolicy", map[string]string{"PolicyArn": id}, &policy); err != nil {
		return nil, err
	}
	var version struct {
		Document string `xml:"GetPolicyVersionResult>PolicyVersion>Document"`
	}
	if err := aws.query(ctx, "iam", "GetPolicyVersion", map[string]string{"PolicyArn": id, "VersionId": policy.Version}, &version); err != nil {
		return nil, err
	}
	decoded, err := document(version.Document)
	return map[string]any{"Description": policy.Description, "PolicyDocument": decoded}, err
}

// document reads a policy as IAM shows it.
func document(escaped string) (map[string]any, error) {
	text, err := url.QueryUnescape(escaped)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	var decoded map[string]any
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return decoded, nil
}

func readAlarm(ctx context.Context, aws cloud, id string) (map[string]any, error) {
	var found struct{ MetricAlarms []map[string]any }
	if err := aws.json(ctx, "monitoring", "GraniteServiceVersion20100801.DescribeAlarms", map[string]any{"AlarmNames": []string{id}}, &found); err != nil {
		return nil, err
	}
	if len(found.MetricAlarms) != 1 {
		return nil, fmt.Errorf("%d alarms have the name %s", len(found.MetricAlarms), id)
	}
	return found.MetricAlarms[0], nil
}

// cloud is an emulator of AWS, which checks no signatures: a service is found by the name
// in them.
type cloud struct{ url string }

// query makes a call of the query protocol, which answers with XML.
func (c cloud) query(ctx context.Context, service, action string, parameters map[string]string, answer any) error {
	form := url.Values{"Action": {action}}
	for name, value := range parameters {
		form.Set(name, value)
	}
	content, err := c.call(ctx, service, action, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	if err != nil || answer == nil {
		return err
	}
	if err := xml.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}

// json makes a call of the JSON protocol.
func (c cloud) json(ctx context.Context, service, target string, parameters map[string]any, answer any) error {
	body, err := json.Marshal(parameters)
	if err != nil {
		return err
	}
	content, err := c.call(ctx, service, target, http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {target}}, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	return nil
}

func (c cloud) call(ctx context.Context, service, name string, header http.Header, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = header
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=conformance/20260101/"+region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", name, response.Status, strings.TrimSpace(string(content)))
	}
	return content, nil
}
