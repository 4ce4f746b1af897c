module github.com/flare-agent/flare-agent-go

go 1.23
