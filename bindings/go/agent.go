package flare

// #include <flare_agent.h>
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
)

// Agent is a session with one exchanger. Any number of goroutines may use it.
type Agent struct {
	handle *handle[*C.flare_agent]
	forget func() bool // the context that [Open] was given
}

// Open opens an agent and does not wait for the peer. What no option sets, the environment decides (FLARE_AGENT_*).
// When ctx ends the agent is stopped, as by [Agent.Stop].
func Open(ctx context.Context, options ...Option) (*Agent, error) {
	if err := checkVersion(uint32(C.flare_version()), C.FLARE_VERSION); err != nil {
		return nil, err
	}
	var agent *C.flare_agent
	err := withOptions(options, func(all *C.flare_options) error {
		return call(func(_ []*C.char, details **C.flare_error) C.flare_status {
			return C.flare_agent_open(all, &agent, details)
		})
	})
	if err != nil {
		return nil, err
	}
	a := &Agent{handle: newHandle(agent, func(p *C.flare_agent) { C.flare_agent_close(p) })}
	a.forget = context.AfterFunc(ctx, a.Stop)
	return a, nil
}

// FromEnv opens the agent that the environment describes, which is how a job starts its trainers.
func FromEnv(ctx context.Context) (*Agent, error) { return Open(ctx) }

// Stop ends every present and later wait with [ErrStopped]. Uploads go on until Close.
func (a *Agent) Stop() {
	_ = a.handle.use(func(p *C.flare_agent) error { C.flare_agent_stop(p); return nil })
}

// Close stops, lets submitted results finish and says goodbye, for at most the option close_timeout. Tasks that were
// taken can still be read. It always returns nil.
func (a *Agent) Close() error {
	a.forget()
	a.handle.release()
	<-a.handle.freed
	return nil
}

// WaitConnected waits until the session is up.
func (a *Agent) WaitConnected(ctx context.Context) error {
	return wait(ctx, a.handle, func(p *C.flare_agent) C.int { return C.flare_agent_connected_poll_fd(p) },
		func(p *C.flare_agent, details **C.flare_error) C.flare_status {
			return C.flare_agent_wait_connected(p, 0, details)
		})
}

// NextTask waits for the next task with all its data. One task is in hand at a time: answer or close the one before
// first. [ErrEnded] is the normal end of a job.
func (a *Agent) NextTask(ctx context.Context) (*Task, error) {
	var task *C.flare_task
	err := wait(ctx, a.handle, func(p *C.flare_agent) C.int { return C.flare_agent_poll_fd(p) },
		func(p *C.flare_agent, details **C.flare_error) C.flare_status {
			return C.flare_agent_next_task(p, 0, &task, details)
		})
	if err != nil {
		return nil, err
	}
	return newTask(a, task), nil
}

// Tasks is all tasks from now on. The loop ends when the job ends or the agent is stopped; what else ends it comes as
// its last error. Each task is closed when its turn of the loop is over, also by a break, a return or a panic.
func (a *Agent) Tasks(ctx context.Context) iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		for {
			task, err := a.NextTask(ctx)
			if errors.Is(err, ErrEnded) || errors.Is(err, ErrStopped) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !turn(task, yield) {
				return
			}
		}
	}
}

func turn(task *Task, yield func(*Task, error) bool) bool {
	defer task.Close()
	return yield(task, nil)
}

// ShouldExit says whether a process that was launched for one task has delivered its result.
func (a *Agent) ShouldExit() bool {
	exit := false
	_ = a.handle.use(func(p *C.flare_agent) error { exit = C.flare_agent_should_exit(p) != 0; return nil })
	return exit
}

// State says where the session stands.
type State int32

// The states of a session.
const (
	StateConnecting  State = C.FLARE_STATE_CONNECTING
	StateConnected   State = C.FLARE_STATE_CONNECTED
	StateEnded       State = C.FLARE_STATE_ENDED
	StateStopped     State = C.FLARE_STATE_STOPPED
	StateAborted     State = C.FLARE_STATE_ABORTED
	StatePeerGone    State = C.FLARE_STATE_PEER_GONE
	StateRefused     State = C.FLARE_STATE_REFUSED
	StateUnreachable State = C.FLARE_STATE_UNREACHABLE
)

// State of the session now; StateStopped once the agent is closed.
func (a *Agent) State() State {
	state := StateStopped
	_ = a.handle.use(func(p *C.flare_agent) error { state = State(C.flare_agent_state(p)); return nil })
	return state
}

// Info is what is known about the session: "url", "url_source", "agent_id", "site", "job_id", "peer_version",
// "wire_version", "close_reason". [ErrNotFound] for other names or while unknown.
func (a *Agent) Info(name string) (string, error) {
	var value string
	err := a.handle.call(func(p *C.flare_agent, texts []*C.char, _ **C.flare_error) C.flare_status {
		var text *C.char
		status := C.flare_agent_info(p, texts[0], &text)
		value = C.GoString(text)
		return status
	}, name)
	return value, err
}

// Stats are counters since Open.
type Stats struct {
	TasksReceived, ResultsAccepted, ResultsDelivered, ResultsFailed int64
	BytesReceived, BytesSent                                        int64 // of tensors
	MetricsSent, MetricsDropped                                     int64
	Reconnects, DuplicatesDropped, FramesRejected                   int64
}

// Stats of the session.
func (a *Agent) Stats() (Stats, error) {
	s := C.flare_agent_stats{struct_size: C.sizeof_flare_agent_stats}
	err := a.handle.use(func(p *C.flare_agent) error { return statusError(C.flare_agent_get_stats(p, &s)) })
	return Stats{
		TasksReceived: int64(s.tasks_received), ResultsAccepted: int64(s.results_accepted),
		ResultsDelivered: int64(s.results_delivered), ResultsFailed: int64(s.results_failed),
		BytesReceived: int64(s.bytes_received), BytesSent: int64(s.bytes_sent),
		MetricsSent: int64(s.metrics_sent), MetricsDropped: int64(s.metrics_dropped),
		Reconnects: int64(s.reconnects), DuplicatesDropped: int64(s.duplicates_dropped),
		FramesRejected: int64(s.frames_rejected),
	}, err
}

// NoStep is the step of a metric that has none.
const NoStep int64 = C.FLARE_NO_STEP

// LogScalar sends one number to FLARE's experiment tracking. It never waits.
func (a *Agent) LogScalar(name string, value float64, step int64) error {
	return a.handle.call(func(p *C.flare_agent, texts []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_agent_log_scalar(p, texts[0], C.double(value), C.int64_t(step), details)
	}, name)
}

// LogJSON sends any other AnalyticsDataType ("TEXT", "PARAMETERS", "IMAGE" ...). The value is what encoding/json makes
// of it; path, which may be empty, names the local file of an artifact.
func (a *Agent) LogJSON(dataType, name string, value any, step int64, path string) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return &Error{ErrInvalidArgument, err.Error()}
	}
	return a.handle.call(func(p *C.flare_agent, texts []*C.char, details **C.flare_error) C.flare_status {
		file := texts[3]
		if path == "" {
			file = nil
		}
		return C.flare_agent_log_json(p, texts[0], texts[1], texts[2], C.int64_t(step), file, details)
	}, dataType, name, string(encoded), path)
}
