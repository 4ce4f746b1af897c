package flare

// #include <flare_agent.h>
import "C"

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// TaskKind tells what to do.
type TaskKind int32

// The kinds of tasks.
const (
	Other       TaskKind = C.FLARE_TASK_OTHER
	Train       TaskKind = C.FLARE_TASK_TRAIN
	Validate    TaskKind = C.FLARE_TASK_VALIDATE
	SubmitModel TaskKind = C.FLARE_TASK_SUBMIT_MODEL
)

// ParamsType tells what the tensors of a model are.
type ParamsType int32

// The types of parameters.
const (
	ParamsNone ParamsType = C.FLARE_PARAMS_NONE
	ParamsFull ParamsType = C.FLARE_PARAMS_FULL
	ParamsDiff ParamsType = C.FLARE_PARAMS_DIFF
)

// Task is what the peer wants to be done, with the data for it. Any number of goroutines may use it.
type Task struct {
	ID, Name           string
	Kind               TaskKind
	Attempt            int64 // 1 for the first time that this task is handed out
	Round, TotalRounds int64 // -1 when the peer did not say
	JobID, Site        string
	DataKind           string // of the DXO: "WEIGHTS", "WEIGHT_DIFF", "METRICS" ..., or empty
	ParamsType         ParamsType
	ReturnCode, Reason string // "OK" and empty, unless whoever made the data says that it failed

	agent   *Agent // the collector would stop one that nobody refers to
	handle  *handle[*C.flare_task]
	result  atomic.Pointer[Result]
	watch   sync.Once
	context context.Context
}

func newTask(agent *Agent, p *C.flare_task) *Task {
	data := C.flare_task_shareable(p)
	return &Task{
		ID: C.GoString(C.flare_task_id(p)), Name: C.GoString(C.flare_task_name(p)),
		Kind: TaskKind(C.flare_task_get_kind(p)), Attempt: int64(C.flare_task_attempt(p)),
		Round: int64(C.flare_task_round(p)), TotalRounds: int64(C.flare_task_total_rounds(p)),
		JobID: C.GoString(C.flare_task_job_id(p)), Site: C.GoString(C.flare_task_site(p)),
		DataKind:   C.GoString(C.flare_shareable_kind(data)),
		ParamsType: ParamsType(C.flare_shareable_params_type(data)),
		ReturnCode: C.GoString(C.flare_shareable_return_code(data)),
		Reason:     C.GoString(C.flare_shareable_reason(data)),
		agent:      agent,
		handle:     newHandle(p, func(p *C.flare_task) { C.flare_task_free(p) }),
	}
}

// Close releases the task and its data, and its result unless that is submitted. A task without a submitted result is
// then answered with a failure. It always returns nil.
func (t *Task) Close() error {
	if result := t.result.Load(); result != nil && !result.submitted.Load() {
		result.handle.release()
	}
	t.handle.release()
	return nil
}

// IsAborted says whether nobody wants the result any more. It is cheap: ask it in the training loop.
func (t *Task) IsAborted() bool {
	aborted := true
	_ = t.handle.use(func(p *C.flare_task) error { aborted = C.flare_task_is_aborted(p) != 0; return nil })
	return aborted
}

// How often a goroutine looks for the abort of a task whose context was asked for.
const abortInterval = 50 * time.Millisecond

// Context ends within 50 ms when nobody wants the result any more, with [ErrAborted] as its cause, and when the task is
// closed, with [ErrClosed]. The first call starts a goroutine that keeps the task until then.
func (t *Task) Context() context.Context {
	t.watch.Do(func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		t.context = ctx
		go func() {
			ticker := time.NewTicker(abortInterval)
			defer ticker.Stop()
			for {
				select {
				case <-t.handle.closing.Done():
					cancel(ErrClosed)
					return
				case <-ticker.C:
				}
				if t.handle.closing.Err() == nil && t.IsAborted() {
					cancel(ErrAborted)
					return
				}
			}
		}()
	})
	return t.context
}

// Fail answers the task with a failure instead of a result: a return code of NVFlare ("EXECUTION_EXCEPTION",
// "BAD_TASK_DATA", "TASK_UNSUPPORTED" ...) and a reason for its log.
func (t *Task) Fail(returnCode, reason string) error {
	return t.handle.call(func(p *C.flare_task, texts []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_task_fail(p, texts[0], texts[1], details)
	}, returnCode, reason)
}
