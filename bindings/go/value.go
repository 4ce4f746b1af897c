package flare

// #include <flare_agent.h>
import "C"

import (
	"slices"
	"unsafe"
)

// Section is a part of a task or result.
type Section int32

// The sections.
const (
	Headers Section = C.FLARE_HEADERS
	Body    Section = C.FLARE_BODY
	Meta    Section = C.FLARE_META
)

// OpaqueValue is an object of a type that only Python knows.
type OpaqueValue struct {
	Type    string
	Content []byte
}

// Section copies a section as nested values: nil, bool, int64, float64, string, []byte, []any, map[string]any,
// [OpaqueValue], and [Tensor] without its elements.
func (t *Task) Section(section Section) (map[string]any, error) {
	var content map[string]any
	err := t.handle.use(func(p *C.flare_task) error {
		value := C.flare_shareable_section(C.flare_task_shareable(p), C.flare_section(section))
		if value == nil {
			return statusError(C.FLARE_INVALID_ARGUMENT)
		}
		content = toMap(value, "")
		return nil
	})
	return content, err
}

// Metric is a metric by name, wherever the data's kind puts it.
func (t *Task) Metric(name string) (float64, error) {
	var value C.double
	err := t.handle.call(func(p *C.flare_task, texts []*C.char, _ **C.flare_error) C.flare_status {
		return C.flare_shareable_metric(C.flare_task_shareable(p), texts[0], &value)
	}, name)
	return float64(value), err
}

// Steps is NUM_STEPS_CURRENT_ROUND of the meta, the weight in averaging.
func (t *Task) Steps() (int64, error) {
	var steps C.int64_t
	err := t.handle.use(func(p *C.flare_task) error {
		return statusError(C.flare_shareable_steps(C.flare_task_shareable(p), &steps))
	})
	return int64(steps), err
}

func toMap(value *C.flare_value, path string) map[string]any {
	entries := make(map[string]any, C.flare_value_count(value))
	for i := range C.flare_value_count(value) {
		key, child := entryAt(value, i)
		entries[key] = toGo(child, path+key)
	}
	return entries
}

func toList(value *C.flare_value) []any {
	entries := make([]any, C.flare_value_count(value))
	for i := range entries {
		_, child := entryAt(value, C.size_t(i))
		entries[i] = toGo(child, "")
	}
	return entries
}

func entryAt(value *C.flare_value, index C.size_t) (string, *C.flare_value) {
	var key *C.char
	var child *C.flare_value
	C.flare_value_at(value, index, &key, &child)
	return C.GoString(key), child
}

func toGo(value *C.flare_value, path string) any {
	switch C.flare_value_get_type(value) {
	case C.FLARE_VALUE_BOOL:
		return integer(value) != 0
	case C.FLARE_VALUE_INT:
		return integer(value)
	case C.FLARE_VALUE_DOUBLE:
		var number C.double
		C.flare_value_get_double(value, &number)
		return float64(number)
	case C.FLARE_VALUE_TEXT:
		return string(content(value))
	case C.FLARE_VALUE_BYTES:
		return content(value)
	case C.FLARE_VALUE_LIST:
		return toList(value)
	case C.FLARE_VALUE_MAP:
		return toMap(value, path+"/")
	case C.FLARE_VALUE_TENSOR:
		view := C.flare_tensor{struct_size: C.sizeof_flare_tensor}
		C.flare_value_get_tensor(value, &view)
		return newTensor(path, &view)
	case C.FLARE_VALUE_OPAQUE:
		var name *C.char
		C.flare_value_get_text(value, &name)
		return OpaqueValue{C.GoString(name), content(value)}
	}
	return nil
}

func integer(value *C.flare_value) int64 {
	var number C.int64_t
	C.flare_value_get_int(value, &number)
	return int64(number)
}

func content(value *C.flare_value) []byte {
	var data unsafe.Pointer
	var size C.size_t
	C.flare_value_get_bytes(value, &data, &size)
	return slices.Clone(unsafe.Slice((*byte)(data), size))
}
