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
	"strings"
)

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
