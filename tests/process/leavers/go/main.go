// Command process_leaver_go submits one result and leaves without waiting for it, in the ways of docs/go.md.
//
//	process_leaver_go close | return | exit | shutdown | panic | raise | notify
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/flare-agent/flare-agent-go"
)

func check(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func submit(ctx context.Context, agent *flare.Agent) {
	task, err := agent.NextTask(ctx)
	check(err)
	w, err := flare.Get[float32](task, "w")
	check(err)
	for i := range w {
		w[i]++
	}
	result, err := task.NewResult()
	check(err)
	check(flare.Copy(result, "w", w))
	check(result.Submit())
	fmt.Println("submitted")
}

func leave(way string) {
	ctx := context.Background()
	if way == "notify" {
		notified, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
		defer stop()
		ctx = notified
	}
	agent, err := flare.FromEnv(ctx)
	check(err)
	if way == "close" || way == "panic" || way == "notify" {
		defer agent.Close()
	}
	defer runtime.KeepAlive(agent) // one that nobody refers to is stopped when it is collected
	submit(ctx, agent)
	switch way {
	case "exit":
		os.Exit(7)
	case "shutdown":
		flare.Shutdown()
		os.Exit(7)
	case "panic":
		panic("nobody recovers")
	case "raise", "notify":
		check(syscall.Kill(os.Getpid(), syscall.SIGTERM))
		select { // the other dies of it
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
	}
}

func main() {
	leave(os.Args[1])
}
