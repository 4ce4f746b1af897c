module github.com/flare-agent/flare-agent-go/leaver

go 1.23

require github.com/flare-agent/flare-agent-go v0.0.0

replace github.com/flare-agent/flare-agent-go => ../../../../bindings/go
