// Command digits_trainer_go is one site of the digits_by_label job, in Go.
//
//	digits_trainer_go DATA.csv SITES
//
// Which job this is and where its peer waits, the library finds in the environment (FLARE_AGENT_*). Taking part in the
// job is what stands between the two marked lines; the network is in mlp.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/flare-agent/flare-agent-go"
)

type trainer struct {
	*digits
	received, local *model // the shared model as the last task brought it, and what training made of it here
}

// learn trains a copy of the received model and returns the rows it learned from: its weight in the average.
func (t *trainer) learn() int64 {
	*t.local = *t.received
	t.local.train(t.digits.train, t.epochs)
	return int64(len(t.digits.train))
}

// ==== federation: from here =========================================================================================

func (t *trainer) answer(ctx context.Context, agent *flare.Agent, task *flare.Task) (err error) {
	if task.Kind == flare.Other {
		return task.Fail("TASK_UNSUPPORTED", "not a task of this trainer")
	}
	result, err := task.NewResult()
	if err != nil {
		return err
	}
	defer result.Close()
	if task.Kind != flare.SubmitModel {
		for _, to := range t.received.tensors() {
			err = errors.Join(err, flare.Read(task, to.name, to.values))
		}
		accuracy := t.received.accuracy(t.test)
		err = errors.Join(err, result.SetMetric("accuracy", accuracy), agent.LogScalar("accuracy", accuracy, task.Round))
	}
	if err == nil && task.Kind == flare.Train {
		err = result.SetSteps(t.learn())
	}
	if task.Kind != flare.Validate {
		for _, from := range t.local.tensors() {
			err = errors.Join(err, flare.Copy(result, from.name, from.values, from.shape...))
		}
	}
	if err != nil {
		return err
	}
	return result.Finish(ctx)
}

// serve lets what goes wrong with a task end that task only.
func (t *trainer) serve(ctx context.Context, agent *flare.Agent) error {
	for task, err := range agent.Tasks(ctx) {
		if err != nil {
			return err
		}
		if err := t.answer(ctx, agent, task); err != nil {
			fmt.Fprintf(os.Stderr, "task %s: %v\n", task.ID, err)
			_ = task.Fail("EXECUTION_EXCEPTION", err.Error()) // too late for that once the result was submitted
		}
	}
	return nil
}

// ==== federation: to here ===========================================================================================

func run(path, sites string) error {
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
	count, err := strconv.Atoi(sites)
	if err != nil {
		return err
	}
	data, err := load(path, site, count)
	if err != nil {
		return err
	}
	return (&trainer{data, &model{}, newModel()}).serve(ctx, agent)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintf(os.Stderr, "usage: %s DATA.csv SITES\n", os.Args[0])
		os.Exit(1)
	}
	err := run(os.Args[1], os.Args[2])
	if err != nil && !errors.Is(err, flare.ErrEnded) { // the job may have been over before this site came
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
