//go:build tools

// Package tools names gVisor's runtime and its shim for containerd, so that go.mod pins them.
package tools

import (
	_ "gvisor.dev/gvisor/runsc"
	_ "gvisor.dev/gvisor/shim"
)
