package flare_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/flare-agent/flare-agent-go"
	"github.com/flare-agent/flare-agent-go/internal/exchanger"
)

// A trainer: the environment says where its peer waits.
func Example() {
	end := serveRounds(2)
	defer end()

	ctx := context.Background()
	agent, err := flare.FromEnv(ctx)
	if err != nil {
		panic(err)
	}
	defer agent.Close()
	for task, err := range agent.Tasks(ctx) {
		if err != nil {
			panic(err)
		}
		w, err := flare.Get[float32](task, "w")
		if err != nil {
			panic(err)
		}
		w[0]++
		result, err := task.NewResult()
		if err != nil {
			panic(err)
		}
		err = errors.Join(flare.Copy(result, "w", w), result.SetSteps(100), result.Finish(ctx))
		fmt.Println("round", task.Round, "weights", w, "error", err)
		result.Close()
	}
	// Output:
	// round 0 weights [2 2] error <nil>
	// round 1 weights [2 2] error <nil>
}

func ExampleError() {
	_, err := flare.Open(context.Background(), flare.With("connect_timeout", "soon"))
	var failure *flare.Error
	fmt.Println(errors.Is(err, flare.ErrInvalidArgument), errors.As(err, &failure))
	// Output: true true
}

// serveRounds is a peer that gives so many training tasks to the agent of the environment.
func serveRounds(rounds int64) (end func()) {
	peer, err := exchanger.Open("url", fmt.Sprintf("memory://example-%d", rounds), "close_timeout", "1")
	if err != nil {
		panic(err)
	}
	os.Setenv("FLARE_AGENT_URL", peer.URL())
	served := make(chan struct{})
	go func() {
		defer close(served)
		for round := range rounds {
			request, err := peer.Send(exchanger.Task{Name: "train", Round: round, W: []float32{1, 2}})
			if err == nil {
				_, err = request.Wait()
			}
			if err != nil {
				panic(err)
			}
		}
		_ = peer.End()
	}()
	return func() {
		<-served
		peer.Close()
		os.Unsetenv("FLARE_AGENT_URL")
	}
}
