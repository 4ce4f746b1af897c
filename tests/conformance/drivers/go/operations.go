package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/flare-agent/flare-agent-go"
)

// operation is what a request does, and what must be open for it.
type operation struct {
	needs needs
	run   func(d *driver, r request) answer
}

type needs int

const (
	nothing needs = iota
	anAgent
	aTask
	aResult
)

var operations map[string]operation

func init() {
	operations = map[string]operation{
		"version":             {nothing, (*driver).version},
		"open":                {nothing, (*driver).open},
		"close":               {anAgent, (*driver).closeAgent},
		"wait_connected":      {anAgent, (*driver).waitConnected},
		"info":                {anAgent, (*driver).info},
		"state":               {anAgent, (*driver).state},
		"next_task":           {anAgent, (*driver).nextTask},
		"stop":                {anAgent, (*driver).stop},
		"log_scalar":          {anAgent, (*driver).logScalar},
		"log_json":            {anAgent, (*driver).logJSON},
		"log_burst":           {anAgent, (*driver).logBurst},
		"interrupt_next_task": {anAgent, (*driver).interruptNextTask},
		"cycles":              {anAgent, (*driver).cycles},
		"is_aborted":          {aTask, (*driver).isAborted},
		"data":                {aTask, (*driver).data},
		"metric":              {aTask, (*driver).metric},
		"section":             {aTask, (*driver).section},
		"tensors":             {aTask, func(d *driver, _ request) answer { return d.tensors() }},
		"read":                {aTask, (*driver).read},
		"result":              {aTask, (*driver).newResult},
		"fail":                {aTask, (*driver).fail},
		"drop_task":           {aTask, (*driver).dropTask},
		"panic":               {aTask, (*driver).panic},
		"put":                 {aResult, func(d *driver, r request) answer { return outcome(d.put(r), nil) }},
		"echo":                {aResult, func(d *driver, _ request) answer { return outcome(d.echo(), nil) }},
		"put_bytes":           {aResult, (*driver).putBytes},
		"set":                 {aResult, (*driver).set},
		"set_metric":          {aResult, (*driver).setMetric},
		"set_steps":           {aResult, (*driver).setSteps},
		"set_kind":            {aResult, (*driver).setKind},
		"set_return_code":     {aResult, (*driver).setReturnCode},
		"submit":              {aResult, (*driver).submit},
		"wait":                {aResult, (*driver).wait},
		"finish":              {aResult, (*driver).finish},
		"progress":            {aResult, (*driver).progress},
		"cancel":              {aResult, (*driver).cancel},
		"drop_result":         {aResult, (*driver).dropResult},
	}
}

func (d *driver) version(request) answer { return answer{"status": "OK", "version": flare.Version()} }

func (d *driver) open(r request) answer {
	var options []flare.Option
	for name, value := range r.Options {
		options = append(options, flare.With(name, value))
	}
	agent, err := flare.Open(context.Background(), options...)
	if err == nil {
		d.close()
		d.agent = agent
	}
	return outcome(err, nil)
}

func (d *driver) closeAgent(request) answer {
	d.close()
	return outcome(nil, nil)
}

func (d *driver) waitConnected(r request) answer {
	ctx, cancel := patience(r.TimeoutMS)
	defer cancel()
	return outcome(d.agent.WaitConnected(ctx), nil)
}

func (d *driver) info(r request) answer {
	value, err := d.agent.Info(r.Name)
	return outcome(err, answer{"value": value})
}

func (d *driver) state(request) answer {
	return answer{"status": "OK", "state": states[d.agent.State()]}
}

func (d *driver) nextTask(r request) answer {
	ctx, cancel := patience(r.TimeoutMS)
	defer cancel()
	task, err := d.agent.NextTask(ctx)
	if err != nil {
		return outcome(err, nil)
	}
	d.replaceTask(task)
	return outcome(nil, answer{"task": answer{
		"id": task.ID, "name": task.Name, "kind": kinds[task.Kind], "round": task.Round,
		"total_rounds": task.TotalRounds, "attempt": task.Attempt, "site": task.Site, "job_id": task.JobID,
	}})
}

func (d *driver) stop(request) answer {
	d.agent.Stop()
	return outcome(nil, nil)
}

func (d *driver) logScalar(r request) answer {
	return outcome(d.agent.LogScalar(r.Name, r.number(), r.step()), nil)
}

func (d *driver) logJSON(r request) answer {
	return outcome(d.agent.LogJSON(r.Type, r.Name, r.Value, r.step(), ""), nil)
}

func (d *driver) logBurst(r request) answer {
	for i := range r.Count {
		if err := d.agent.LogScalar(r.Name, float64(i), i); err != nil {
			return outcome(err, nil)
		}
	}
	return outcome(nil, nil)
}

func (d *driver) interruptNextTask(r request) answer {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	time.AfterFunc(time.Duration(r.AfterMS)*time.Millisecond, cancel)
	task, err := d.agent.NextTask(ctx)
	if err == nil {
		d.replaceTask(task)
	}
	return outcome(err, nil)
}

func (d *driver) cycles(r request) answer {
	for done := range r.Count {
		if err := d.cycle(); err != nil {
			failed := outcome(err, nil)
			failed["done"] = done
			return failed
		}
	}
	return outcome(nil, answer{"done": r.Count})
}

func (d *driver) cycle() error {
	task, err := d.agent.NextTask(context.Background())
	if err != nil {
		return err
	}
	d.replaceTask(task)
	if err := d.makeResult(); err != nil {
		return err
	}
	if err := d.echo(); err != nil {
		return err
	}
	return d.result.Finish(context.Background())
}

func (d *driver) isAborted(r request) answer {
	ctx, cancel := patience(r.TimeoutMS)
	defer cancel()
	select {
	case <-d.task.Context().Done():
	case <-ctx.Done():
	}
	return answer{"status": "OK", "aborted": d.task.IsAborted()}
}

func (d *driver) data(request) answer {
	task := d.task
	fields := answer{"kind": task.DataKind, "params_type": paramsTypes[task.ParamsType],
		"return_code": task.ReturnCode, "reason": task.Reason, "steps": nil}
	steps, err := task.Steps()
	if err == nil {
		fields["steps"] = steps
	}
	if errors.Is(err, flare.ErrNotFound) {
		err = nil
	}
	return outcome(err, fields)
}

func (d *driver) metric(r request) answer {
	value, err := d.task.Metric(r.Name)
	return outcome(err, answer{"value": value})
}

func (d *driver) section(r request) answer {
	section, err := d.task.Section(sections[r.Section])
	return outcome(err, answer{"value": plain(section)})
}

func (d *driver) newResult(request) answer { return outcome(d.makeResult(), nil) }

func (d *driver) makeResult() error {
	result, err := d.task.NewResult()
	if err == nil {
		d.replaceResult(result)
	}
	return err
}

func (d *driver) fail(r request) answer { return outcome(d.task.Fail(r.ReturnCode, r.Reason), nil) }

func (d *driver) dropTask(request) answer {
	d.replaceTask(nil)
	return outcome(nil, nil)
}

// panic lets an error of the user's own leave what would be the body of a loop.
func (d *driver) panic(request) answer {
	func() {
		defer func() { _ = recover() }()
		defer d.replaceTask(nil)
		panic("a mistake of the user's own")
	}()
	return outcome(nil, nil)
}

func (d *driver) putBytes(r request) answer {
	content, err := hex.DecodeString(r.Hex)
	return outcome(errors.Join(err, d.result.CopyBytes(r.Name, content)), nil)
}

func (d *driver) set(r request) answer {
	return outcome(d.result.Set(sections[r.Section], r.Name, r.nested()), nil)
}

func (d *driver) setMetric(r request) answer {
	return outcome(d.result.SetMetric(r.Name, r.number()), nil)
}

func (d *driver) setSteps(r request) answer {
	var steps int64
	if err := json.Unmarshal(r.Value, &steps); err != nil {
		return outcome(err, nil)
	}
	return outcome(d.result.SetSteps(steps), nil)
}

func (d *driver) setKind(r request) answer { return outcome(d.result.SetKind(r.text()), nil) }

func (d *driver) setReturnCode(r request) answer {
	return outcome(d.result.SetReturnCode(r.text()), nil)
}

func (d *driver) submit(request) answer { return outcome(d.result.Submit(), nil) }

func (d *driver) wait(r request) answer {
	ctx, cancel := patience(r.TimeoutMS)
	defer cancel()
	return outcome(d.result.Wait(ctx, levels[r.Level]), nil)
}

func (d *driver) finish(r request) answer {
	ctx, cancel := patience(r.TimeoutMS)
	defer cancel()
	return outcome(d.result.Finish(ctx), nil)
}

func (d *driver) progress(request) answer {
	progress, err := d.result.Progress()
	return outcome(err, answer{"state": uploads[progress.State], "bytes_total": progress.BytesTotal,
		"bytes_done": progress.BytesDone})
}

func (d *driver) cancel(request) answer {
	d.result.Cancel()
	return outcome(nil, nil)
}

func (d *driver) dropResult(request) answer {
	d.replaceResult(nil)
	return outcome(nil, nil)
}
