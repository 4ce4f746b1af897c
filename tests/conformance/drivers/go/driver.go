package main

import "github.com/flare-agent/flare-agent-go"

// handles are the one agent, task and result.
type handles struct {
	agent  *flare.Agent
	task   *flare.Task
	result *flare.Result
}

// driver has what is in hand, and what was closed last, for after_close.
type driver struct {
	handles
	past handles
}

var kinds = map[flare.TaskKind]string{
	flare.Train: "train", flare.Validate: "validate", flare.SubmitModel: "submit_model", flare.Other: "other",
}

var paramsTypes = map[flare.ParamsType]string{
	flare.ParamsNone: "NONE", flare.ParamsFull: "FULL", flare.ParamsDiff: "DIFF",
}

var states = map[flare.State]string{
	flare.StateConnecting: "CONNECTING", flare.StateConnected: "CONNECTED", flare.StateEnded: "ENDED",
	flare.StateStopped: "STOPPED", flare.StateAborted: "ABORTED", flare.StatePeerGone: "PEER_GONE",
	flare.StateRefused: "REFUSED", flare.StateUnreachable: "UNREACHABLE",
}

var uploads = map[flare.UploadState]string{
	flare.UploadWaiting: "WAITING", flare.UploadActive: "ACTIVE", flare.UploadDelivered: "DELIVERED",
	flare.UploadFailed: "FAILED",
}

var levels = map[string]flare.Level{"accepted": flare.Accepted, "delivered": flare.Delivered}

var sections = map[string]flare.Section{"headers": flare.Headers, "body": flare.Body, "meta": flare.Meta}

func (d *driver) answer(r request) answer {
	if r.Op == "after_close" {
		return d.afterClose(r)
	}
	operation, known := operations[r.Op]
	switch {
	case !known:
		return answer{"status": "UNKNOWN"}
	case !d.has(operation.needs):
		return answer{"status": "INVALID_STATE", "message": "nothing is open that this is done with"}
	}
	return operation.run(d, r)
}

// afterClose answers as if what was closed were still in hand.
func (d *driver) afterClose(r request) answer {
	closed := &driver{handles: d.past}
	r.Op = r.AfterClose
	return closed.answer(r)
}

func (d *driver) has(needs needs) bool {
	switch needs {
	case anAgent:
		return d.agent != nil
	case aTask:
		return d.task != nil
	case aResult:
		return d.result != nil
	}
	return true
}

func (d *driver) replaceTask(task *flare.Task) {
	d.replaceResult(nil)
	if d.task != nil {
		d.past.task = d.task
		d.task.Close()
	}
	d.task = task
}

func (d *driver) replaceResult(result *flare.Result) {
	if d.result != nil {
		d.past.result = d.result
		d.result.Close()
	}
	d.result = result
}

func (d *driver) close() {
	if d.result != nil {
		d.result.Cancel() // or a borrowed tensor that nobody fetches would hold the close up
	}
	d.replaceTask(nil)
	if d.agent != nil {
		d.past.agent = d.agent
		d.agent.Close()
	}
	d.agent = nil
}
