//go:build tools

// Package tools names the network plugin that the cluster tests are built from, so that go.mod pins it.
package tools

import _ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
