// Package exchanger is the peer of an agent, for the tests of package flare: cgo cannot be used in tests themselves.
package exchanger

/*
#cgo pkg-config: flare_agent
#include <flare_exchanger.h>
#include <stdlib.h>

static flare_status put(flare_request *request, const char *name, const float *data, int64_t count,
                        flare_error **error) {
  const flare_tensor tensor = {sizeof tensor, FLARE_FLOAT32, 1, 0, data, &count, NULL};
  return flare_shareable_copy_tensor(flare_request_shareable(request), name, &tensor, error);
}
*/
import "C"

import (
	"fmt"
	"time"
	"unsafe"
)

// Exchanger serves tasks.
type Exchanger struct{ handle *C.flare_exchanger }

func check(status C.flare_status, details *C.flare_error) error {
	if status == C.FLARE_OK {
		return nil
	}
	defer C.flare_error_free(details)
	return fmt.Errorf("exchanger: status %d: %s", status, C.GoString(C.flare_error_message(details)))
}

func text(s string) (*C.char, func()) {
	c := C.CString(s)
	return c, func() { C.free(unsafe.Pointer(c)) }
}

// Open binds an exchanger; the options are names and values in turn.
func Open(options ...string) (*Exchanger, error) {
	all := C.flare_options_new()
	defer C.flare_options_free(all)
	var details *C.flare_error
	for i := 0; i < len(options); i += 2 {
		name, freeName := text(options[i])
		value, freeValue := text(options[i+1])
		status := C.flare_options_set(all, name, value, &details)
		freeName()
		freeValue()
		if err := check(status, details); err != nil {
			return nil, err
		}
	}
	x := &Exchanger{}
	return x, check(C.flare_exchanger_open(all, &x.handle, &details), details)
}

// URL is where an agent connects to.
func (x *Exchanger) URL() string { return C.GoString(C.flare_exchanger_url(x.handle)) }

// End tells the agent that the job is over.
func (x *Exchanger) End() error {
	reason, free := text("done")
	defer free()
	var details *C.flare_error
	return check(C.flare_exchanger_end(x.handle, reason, &details), details)
}

// Abort aborts the job.
func (x *Exchanger) Abort(why string) error {
	reason, free := text(why)
	defer free()
	var details *C.flare_error
	return check(C.flare_exchanger_abort(x.handle, reason, &details), details)
}

// Close ends the job and releases.
func (x *Exchanger) Close() { C.flare_exchanger_close(x.handle) }

// Request is a task on its way.
type Request struct{ handle *C.flare_request }

// Task is what to send.
type Task struct {
	Name    string
	Round   int64
	W       []float32 // the one tensor, "w"
	Headers string    // JSON, the header "extra"
	Opaque  []byte    // the entry "blob"
	Steps   int64
}

// Send queues a task.
func (x *Exchanger) Send(task Task) (*Request, error) { return x.send(task, false) }

// SendHeld queues a task whose result has a second receiver, "slow", who never fetches it.
func (x *Exchanger) SendHeld(task Task) (*Request, error) { return x.send(task, true) }

func (x *Exchanger) send(task Task, held bool) (*Request, error) {
	name, free := text(task.Name)
	defer free()
	r := &Request{}
	var details *C.flare_error
	if err := check(C.flare_request_new(x.handle, name, &r.handle, &details), details); err != nil {
		return nil, err
	}
	if err := r.fill(task); err != nil {
		return nil, err
	}
	if held {
		for _, receiver := range []string{"server", "slow"} {
			name, free := text(receiver)
			defer free()
			if err := check(C.flare_request_add_receiver(r.handle, name, &details), details); err != nil {
				return nil, err
			}
		}
	}
	return r, check(C.flare_request_send(r.handle, &details), details)
}

func (r *Request) fill(task Task) error {
	var details *C.flare_error
	data := C.flare_request_shareable(r.handle)
	if err := check(C.flare_request_set_round(r.handle, C.int64_t(task.Round), 10, &details), details); err != nil {
		return err
	}
	if task.W != nil {
		name, free := text("w")
		defer free()
		elements := (*C.float)(unsafe.SliceData(task.W))
		if err := check(C.put(r.handle, name, elements, C.int64_t(len(task.W)), &details), details); err != nil {
			return err
		}
	}
	if task.Headers != "" {
		name, free := text("extra")
		defer free()
		json, freeJSON := text(task.Headers)
		defer freeJSON()
		if err := check(C.flare_shareable_set_json(data, C.FLARE_HEADERS, name, json, &details), details); err != nil {
			return err
		}
	}
	if task.Opaque != nil {
		name, free := text("blob")
		defer free()
		status := C.flare_shareable_copy_bytes(data, name, unsafe.Pointer(unsafe.SliceData(task.Opaque)),
			C.size_t(len(task.Opaque)), &details)
		if err := check(status, details); err != nil {
			return err
		}
	}
	return check(C.flare_shareable_set_steps(data, C.int64_t(task.Steps), &details), details)
}

// Abort says that nobody wants the task any more.
func (r *Request) Abort() { C.flare_request_abort(r.handle) }

// Free drops the request.
func (r *Request) Free() { C.flare_request_free(r.handle) }

// Reply is what came back.
type Reply struct {
	ReturnCode, Reason string
	W                  []float32
	Steps              int64
	Accuracy           float64
}

// Wait waits for the result, for a minute at most, and drops the request.
func (r *Request) Wait() (Reply, error) {
	defer r.Free()
	var handle *C.flare_reply
	var details *C.flare_error
	if err := check(C.flare_request_wait(r.handle, 60000, &handle, &details), details); err != nil {
		return Reply{}, err
	}
	defer C.flare_reply_free(handle)
	data := C.flare_reply_shareable(handle)
	reply := Reply{
		ReturnCode: C.GoString(C.flare_shareable_return_code(data)),
		Reason:     C.GoString(C.flare_shareable_reason(data)),
	}
	w, freeW := text("w")
	defer freeW()
	view := C.flare_tensor{struct_size: C.sizeof_flare_tensor}
	if C.flare_shareable_find_tensor(data, w, &view) == C.FLARE_OK {
		count := 1
		for _, extent := range unsafe.Slice((*int64)(view.shape), view.ndim) {
			count *= int(extent)
		}
		reply.W = append(reply.W, unsafe.Slice((*float32)(view.data), count)...)
	}
	accuracy, freeAccuracy := text("accuracy")
	defer freeAccuracy()
	C.flare_shareable_metric(data, accuracy, (*C.double)(&reply.Accuracy))
	C.flare_shareable_steps(data, (*C.int64_t)(&reply.Steps))
	return reply, nil
}

// NextMetric waits for a metric.
func (x *Exchanger) NextMetric(patience time.Duration) (name string, step int64, err error) {
	var metric *C.flare_metric
	var details *C.flare_error
	status := C.flare_exchanger_next_metric(x.handle, C.int64_t(patience.Milliseconds()), &metric, &details)
	if err := check(status, details); err != nil {
		return "", 0, err
	}
	defer C.flare_metric_free(metric)
	return C.GoString(C.flare_metric_name(metric)), int64(C.flare_metric_step(metric)), nil
}
