// Command hello_trainer_go is one site of an NVFlare job, in Go: of hello, diff and crosseval.
//
//	hello_trainer_go DATA.csv
//
// Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*), which the executor
// sets. Taking part in the job is what stands between the two marked lines; the learning is in logreg.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/flare-agent/flare-agent-go"
)

const key = "numpy_key" // what NVFlare's NPModelPersistor calls its one array

// ==== federation: from here =========================================================================================

func answer(ctx context.Context, agent *flare.Agent, task *flare.Task, data *data, local []float32) error {
	result, err := task.NewResult()
	if err != nil {
		return err
	}
	defer result.Close()
	if task.Kind == flare.Train || task.Kind == flare.Validate {
		model := make([]float32, weights)
		if err := flare.Read(task, key, model); err != nil {
			return err
		}
		accuracy := accuracy(model, data.test)
		err = errors.Join(result.SetMetric("accuracy", accuracy), agent.LogScalar("accuracy", accuracy, task.Round))
		if task.Kind == flare.Train {
			trained, loss := train(model, data.train)
			copy(local, trained)
			err = errors.Join(err, agent.LogScalar("loss", loss, task.Round), result.SetSteps(int64(len(data.train))))
		}
	}
	if task.Kind != flare.Validate {
		err = errors.Join(err, flare.Copy(result, key, local))
	}
	if err != nil {
		return err
	}
	return result.Finish(ctx)
}

func serve(ctx context.Context, agent *flare.Agent, data *data) error {
	local := make([]float32, weights)
	for task, err := range agent.Tasks(ctx) {
		if err != nil {
			return err
		}
		if err := answer(ctx, agent, task, data, local); err != nil {
			_ = task.Fail("EXECUTION_EXCEPTION", err.Error()) // too late for that once the result was submitted
			return err
		}
	}
	return nil
}

// ==== federation: to here ===========================================================================================

func run(path string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	agent, err := flare.FromEnv(ctx)
	if err != nil {
		return err
	}
	defer agent.Close()
	if err := agent.WaitConnected(ctx); err != nil {
		return err
	}
	site, _ := agent.Info("site")
	data, err := load(path, site)
	if err != nil {
		return err
	}
	return serve(ctx, agent, data)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s DATA.csv\n", os.Args[0])
		os.Exit(1)
	}
	err := run(os.Args[1])
	if err != nil && !errors.Is(err, flare.ErrEnded) { // the job may have been over before this site came
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
