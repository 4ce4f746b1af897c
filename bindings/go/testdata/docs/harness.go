// The rest of the program that the blocks of docs/go.md make together: it calls each of their functions.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/flare-agent/flare-agent-go"
	"github.com/flare-agent/flare-agent-go/internal/exchanger"
)

var exit = func(code int) { fmt.Println("exit", code) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// withTask hands out a task with [1 2] and gives back what the peer got for it.
func withTask(peer *exchanger.Exchanger, agent *flare.Agent, use func(*flare.Task)) exchanger.Reply {
	request, err := peer.Send(exchanger.Task{Name: "other", W: []float32{1, 2}})
	check(err)
	task, err := agent.NextTask(context.Background())
	check(err)
	use(task)
	check(task.Close())
	reply, err := request.Wait()
	check(err)
	return reply
}

func withResult(peer *exchanger.Exchanger, agent *flare.Agent, use func(*flare.Task, *flare.Result) error) {
	reply := withTask(peer, agent, func(task *flare.Task) {
		result, err := task.NewResult()
		check(err)
		check(use(task, result))
		check(result.Close())
	})
	if !slices.Equal(reply.W, []float32{1, 2}) {
		panic(fmt.Sprint(reply))
	}
}

func harness() {
	ctx := context.Background()
	peer, err := exchanger.Open("url", "memory://docs", "close_timeout", "1")
	check(err)
	agent, err := flare.Open(ctx, flare.With("url", peer.URL()))
	check(err)
	withResult(peer, agent, func(task *flare.Task, result *flare.Result) error {
		check(tensors(task, result))
		return result.Finish(ctx)
	})
	withResult(peer, agent, func(task *flare.Task, result *flare.Result) error {
		check(flare.Copy(result, "w", []float32{1, 2}))
		return submitAndGoOn(ctx, agent, result)
	})
	withResult(peer, agent, func(task *flare.Task, result *flare.Result) error {
		return borrow(ctx, result, []float32{1, 2})
	})
	withTask(peer, agent, func(task *flare.Task) {
		steps := 0
		check(trainUntilAborted(task, 3, func(context.Context) { steps++ }))
		if steps != 3 {
			panic("steps")
		}
		check(task.Close())
		<-task.Context().Done()
		if err := trainUntilAborted(task, 3, func(context.Context) {}); err != flare.ErrClosed {
			panic(err)
		}
	})
	check(agent.Close())
	if said := classify(agent.WaitConnected(ctx)); said != "closed here" {
		panic(said)
	}
	if said := classify(errors.New("other")); said != "no failure of the library" {
		panic(said)
	}
	peer.Close()

	peer, err = exchanger.Open("url", "memory://docs-2", "close_timeout", "1")
	check(err)
	os.Setenv("FLARE_AGENT_URL", peer.URL())
	replied := make(chan exchanger.Reply)
	go func() {
		request, err := peer.Send(exchanger.Task{Name: "train", W: []float32{1, 2}})
		check(err)
		reply, err := request.Wait()
		check(err)
		check(peer.End())
		replied <- reply
	}()
	check(untilSignal(run))
	if reply := <-replied; reply.Steps != 100 || !slices.Equal(reply.W, []float32{1, 2}) {
		panic(fmt.Sprint(reply))
	}
	peer.Close()
	check(untilSignal(func(ctx context.Context) error {
		check(syscall.Kill(os.Getpid(), syscall.SIGTERM))
		<-ctx.Done()
		signal.Reset()
		return nil
	}))
	leave(0)
}
