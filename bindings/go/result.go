package flare

/*
#include <flare_agent.h>

// The tensor is put together here: a struct of Go must not point to Go's memory when C gets to see it. For the char *
// see tensor.go.
static flare_status put_elements(flare_result *result, const char *name, int borrow, flare_dtype dtype,
                                 const char *data, int32_t ndim, const int64_t *shape, flare_error **error) {
  const flare_tensor tensor = {sizeof tensor, dtype, ndim, 0, data, shape, NULL};
  flare_shareable *to = flare_result_shareable(result);
  return borrow ? flare_shareable_borrow_tensor(to, name, &tensor, error)
                : flare_shareable_copy_tensor(to, name, &tensor, error);
}

static flare_status put_bytes(flare_result *result, const char *name, const char *data, size_t size,
                              flare_error **error) {
  return flare_shareable_copy_bytes(flare_result_shareable(result), name, data, size, error);
}
*/
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Result is the answer to a task. Fill it in one goroutine at a time; submitted, any number may wait for it.
type Result struct {
	agent     *Agent // see Task
	handle    *handle[*C.flare_result]
	pinner    *runtime.Pinner // of what C reads until the result is released
	submitted atomic.Bool
}

// NewResult makes the one result of the task.
func (t *Task) NewResult() (*Result, error) {
	var result *C.flare_result
	err := t.handle.call(func(p *C.flare_task, _ []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_result_new(p, &result, details)
	})
	if err != nil {
		return nil, err
	}
	pinner := new(runtime.Pinner)
	made := &Result{agent: t.agent, pinner: pinner, handle: newHandle(result, func(p *C.flare_result) {
		C.flare_result_free(p)
		pinner.Unpin()
	})}
	t.result.Store(made)
	return made, nil
}

// Close before the submit drops the result. After it the upload goes on; with borrowed elements Close waits until it is
// settled. It always returns nil.
func (r *Result) Close() error {
	r.handle.release()
	<-r.handle.freed
	return nil
}

// Copy puts a tensor into the result. Without a shape it has one dimension; an empty shape ([]int64{}...) is a scalar.
func Copy[T Element](result *Result, name string, elements []T, shape ...int64) error {
	tensor, raw := describe(name, elements, shape)
	return result.CopyRaw(tensor, raw)
}

// Borrow is [Copy] without a copy: leave the elements alone until [Result.Finish], or [Result.Wait] for Delivered, has
// returned with anything but an error of its context, or Close has returned.
func Borrow[T Element](result *Result, name string, elements []T, shape ...int64) error {
	tensor, raw := describe(name, elements, shape)
	return result.BorrowRaw(tensor, raw)
}

func describe[T Element](name string, elements []T, shape []int64) (Tensor, []byte) {
	if shape == nil {
		shape = []int64{int64(len(elements))}
	}
	raw := (*byte)(unsafe.Pointer(unsafe.SliceData(elements)))
	tensor := Tensor{name, DTypeOf[T](), shape}
	return tensor, unsafe.Slice(raw, len(elements)*tensor.DType.Size())
}

// CopyRaw puts a tensor of any type into the result, given as the bytes of its elements.
func (r *Result) CopyRaw(tensor Tensor, elements []byte) error { return r.put(tensor, elements, 0) }

// BorrowRaw is CopyRaw without a copy, see [Borrow].
func (r *Result) BorrowRaw(tensor Tensor, elements []byte) error {
	return r.handle.use(func(*C.flare_result) error { // not closed in between, which would leave it pinned
		pin(r.pinner, elements)
		return r.put(tensor, elements, 1)
	})
}

func (r *Result) put(tensor Tensor, elements []byte, borrow C.int) error {
	if err := checkLength(tensor, len(elements)); err != nil {
		return err
	}
	return r.handle.call(func(p *C.flare_result, texts []*C.char, details **C.flare_error) C.flare_status {
		data := (*C.char)(unsafe.Pointer(unsafe.SliceData(elements)))
		shape := (*C.int64_t)(unsafe.SliceData(tensor.Shape))
		return C.put_elements(p, texts[0], borrow, C.flare_dtype(tensor.DType), data, C.int32_t(len(tensor.Shape)),
			shape, details)
	}, tensor.Name)
}

// checkLength keeps C from reading beyond the elements. What else is wrong with a tensor, C says.
func checkLength(tensor Tensor, length int) error {
	need := uint64(tensor.DType.Size())
	for _, extent := range tensor.Shape {
		if extent < 0 || need != 0 && uint64(extent) > 1<<62/need {
			return nil // C refuses it
		}
		need *= uint64(extent)
	}
	if need == uint64(length) {
		return nil
	}
	return &Error{ErrInvalidArgument, fmt.Sprintf("tensor %q: the shape %v needs %d bytes, but there are %d",
		tensor.Name, tensor.Shape, need, length)}
}

func pin(pinner *runtime.Pinner, elements []byte) {
	// It panics for memory that is not Go's, an mmap for example, which stays where it is anyway.
	defer func() { _ = recover() }()
	pinner.Pin(unsafe.SliceData(elements))
}

// CopyBytes puts opaque bytes into the result.
func (r *Result) CopyBytes(name string, content []byte) error {
	return r.handle.call(func(p *C.flare_result, texts []*C.char, details **C.flare_error) C.flare_status {
		data := (*C.char)(unsafe.Pointer(unsafe.SliceData(content)))
		return C.put_bytes(p, texts[0], data, C.size_t(len(content)), details)
	}, name)
}

// SetKind sets the DXO's data kind, which otherwise follows from the content.
func (r *Result) SetKind(kind string) error {
	return r.handle.call(func(p *C.flare_result, texts []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_shareable_set_kind(C.flare_result_shareable(p), texts[0], details)
	}, kind)
}

// SetReturnCode sets NVFlare's return code; it is "OK" without a call.
func (r *Result) SetReturnCode(code string) error {
	return r.handle.call(func(p *C.flare_result, texts []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_shareable_set_return_code(C.flare_result_shareable(p), texts[0], details)
	}, code)
}

// SetMetric sets a metric; the library puts it where the kind wants it.
func (r *Result) SetMetric(name string, value float64) error {
	return r.handle.call(func(p *C.flare_result, texts []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_shareable_set_metric(C.flare_result_shareable(p), texts[0], C.double(value), details)
	}, name)
}

// SetSteps sets the weight in averaging.
func (r *Result) SetSteps(steps int64) error {
	return r.handle.call(func(p *C.flare_result, _ []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_shareable_set_steps(C.flare_result_shareable(p), C.int64_t(steps), details)
	})
}

// Set writes an entry of a section: int and int64, float64 and string as they are, all else as encoding/json makes it.
func (r *Result) Set(section Section, name string, value any) error {
	texts := []string{name}
	var set func(to *C.flare_shareable, texts []*C.char, details **C.flare_error) C.flare_status
	in := C.flare_section(section)
	switch value := value.(type) {
	case int:
		return r.Set(section, name, int64(value))
	case int64:
		set = func(to *C.flare_shareable, texts []*C.char, details **C.flare_error) C.flare_status {
			return C.flare_shareable_set_int(to, in, texts[0], C.int64_t(value), details)
		}
	case float64:
		set = func(to *C.flare_shareable, texts []*C.char, details **C.flare_error) C.flare_status {
			return C.flare_shareable_set_double(to, in, texts[0], C.double(value), details)
		}
	case string:
		texts = append(texts, value)
		set = func(to *C.flare_shareable, texts []*C.char, details **C.flare_error) C.flare_status {
			return C.flare_shareable_set_text(to, in, texts[0], texts[1], details)
		}
	default:
		encoded, err := json.Marshal(value)
		if err != nil {
			return &Error{ErrInvalidArgument, err.Error()}
		}
		texts = append(texts, string(encoded))
		set = func(to *C.flare_shareable, texts []*C.char, details **C.flare_error) C.flare_status {
			return C.flare_shareable_set_json(to, in, texts[0], texts[1], details)
		}
	}
	return r.handle.call(func(p *C.flare_result, texts []*C.char, details **C.flare_error) C.flare_status {
		return set(C.flare_result_shareable(p), texts, details)
	}, texts...)
}

// Submit starts sending and returns; the next task may be taken meanwhile. [ErrInvalidArgument] names the tensors that
// do not fit the task: correct them and submit again.
func (r *Result) Submit() error {
	err := r.handle.call(func(p *C.flare_result, _ []*C.char, details **C.flare_error) C.flare_status {
		return C.flare_result_submit(p, details)
	})
	if err == nil {
		r.submitted.Store(true)
	}
	return err
}

// Level is what a wait waits for.
type Level int32

// The levels.
const (
	Accepted  Level = C.FLARE_ACCEPTED
	Delivered Level = C.FLARE_DELIVERED
)

// Wait waits for a submitted result. The end of ctx ends the wait and not the upload: that is [Result.Cancel].
func (r *Result) Wait(ctx context.Context, level Level) error {
	return wait(ctx, r.handle,
		func(p *C.flare_result) C.int { return C.flare_result_poll_fd(p, C.flare_level(level)) },
		func(p *C.flare_result, details **C.flare_error) C.flare_status {
			return C.flare_result_wait(p, C.flare_level(level), 0, details)
		})
}

// Finish submits and waits until delivered. [ErrEnded] means that the job ended before the result was safe.
func (r *Result) Finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.Submit(); err != nil {
		return err
	}
	return r.Wait(ctx, Delivered)
}

// Cancel gives a submitted result up. Its waits end with [ErrAborted].
func (r *Result) Cancel() {
	_ = r.handle.use(func(p *C.flare_result) error { C.flare_result_cancel(p); return nil })
}
