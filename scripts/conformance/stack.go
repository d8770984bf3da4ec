package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

const (
	template  = "deployments/aws/billable.yaml"
	stackName = "conformance"
	topic     = "arn:aws:sns:" + region + ":000000000000:alarms"
	region    = "eu-central-1"

	stackTimeout  = time.Minute
	stackInterval = 100 * time.Millisecond
)

// createStack creates the template's resources.
func createStack(ctx context.Context, url, body string) error {
	err := cloudFormation(ctx, url, map[string]string{
		"Action": "CreateStack", "StackName": stackName, "TemplateBody": body, "Capabilities.member.1": "CAPABILITY_IAM",
		"Parameters.member.1.ParameterKey": "AlarmTopicArn", "Parameters.member.1.ParameterValue": topic,
		"Parameters.member.2.ParameterKey": "Prefix", "Parameters.member.2.ParameterValue": stackName,
	}, nil)
	if err != nil {
		return err
	}
	return waitForStack(ctx, url)
}

// waitForStack waits until the stack is created or failed.
func waitForStack(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stackTimeout, fmt.Errorf("the stack was not created within %s", stackTimeout))
	defer cancel()
	return testbed.Poll(ctx, stackInterval, func() (bool, error) {
		var found struct {
			Status string `xml:"DescribeStacksResult>Stacks>member>StackStatus"`
		}
		err := cloudFormation(ctx, url, map[string]string{"Action": "DescribeStacks", "StackName": stackName}, &found)
		if err == nil && found.Status != "CREATE_COMPLETE" && !strings.HasSuffix(found.Status, "IN_PROGRESS") {
			err = fmt.Errorf("the stack is %s", found.Status)
		}
		return found.Status == "CREATE_COMPLETE", err
	})
}

// cloudFormation makes a call. The emulator checks no signature: it finds the service by its name there.
func cloudFormation(ctx context.Context, to string, parameters map[string]string, answer any) error {
	form := url.Values{}
	for name, value := range parameters {
		form.Set(name, value)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to+"/", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=conformance/20260101/"+region+"/cloudformation/aws4_request, SignedHeaders=host, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", parameters["Action"], err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(content)))
	}
	if err == nil && answer != nil {
		err = xml.Unmarshal(content, answer)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", parameters["Action"], err)
	}
	return nil
}
