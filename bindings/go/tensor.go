package flare

/*
#include <flare_agent.h>

// Elements come as char *: for a void * cgo looks for Go pointers in all of the object that they are a part of.
static flare_status read_elements(const flare_shareable *from, const char *name, flare_dtype dtype, char *out,
                                  size_t count, flare_error **error) {
  return flare_shareable_read_tensor(from, name, dtype, out, count, error);
}
*/
import "C"

import (
	"reflect"
	"slices"
	"unsafe"
)

// DType is the type of the elements of a tensor.
type DType int32

// The element types. Those without a type in Go are read by [Task.ViewRaw] and [Task.Raw].
const (
	Int8         DType = C.FLARE_INT8
	Int16        DType = C.FLARE_INT16
	Int32        DType = C.FLARE_INT32
	Int64        DType = C.FLARE_INT64
	Uint8        DType = C.FLARE_UINT8
	Uint16       DType = C.FLARE_UINT16
	Uint32       DType = C.FLARE_UINT32
	Uint64       DType = C.FLARE_UINT64
	Float16      DType = C.FLARE_FLOAT16
	Float32      DType = C.FLARE_FLOAT32
	Float64      DType = C.FLARE_FLOAT64
	Opaque       DType = C.FLARE_OPAQUE
	BFloat16     DType = C.FLARE_BFLOAT16
	Complex64    DType = C.FLARE_COMPLEX64
	Complex128   DType = C.FLARE_COMPLEX128
	Bool         DType = C.FLARE_BOOL
	Float8E4M3FN DType = C.FLARE_FLOAT8_E4M3FN
	Float8E5M2   DType = C.FLARE_FLOAT8_E5M2
)

// Size is the number of bytes of one element; 0 for an unknown type.
func (d DType) Size() int { return int(C.flare_dtype_size(C.flare_dtype(d))) }

// Element is what [Get], [Copy] and the like take as elements.
type Element interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 |
		~float32 | ~float64 | ~complex64 | ~complex128 | ~bool
}

var dtypes = map[reflect.Kind]DType{
	reflect.Int8: Int8, reflect.Int16: Int16, reflect.Int32: Int32, reflect.Int64: Int64,
	reflect.Uint8: Uint8, reflect.Uint16: Uint16, reflect.Uint32: Uint32, reflect.Uint64: Uint64,
	reflect.Float32: Float32, reflect.Float64: Float64, reflect.Complex64: Complex64, reflect.Complex128: Complex128,
	reflect.Bool: Bool,
}

// DTypeOf is the type of elements T.
func DTypeOf[T Element]() DType { return dtypes[reflect.TypeFor[T]().Kind()] }

// Tensor says what a tensor is, without its elements. Inside nested maps its name is the keys joined with '/'.
type Tensor struct {
	Name  string
	DType DType
	Shape []int64 // row-major
}

// Count is the number of elements.
func (t Tensor) Count() int {
	count := 1
	for _, extent := range t.Shape {
		count *= int(extent)
	}
	return count
}

func newTensor(name string, view *C.flare_tensor) Tensor {
	shape := unsafe.Slice((*int64)(view.shape), view.ndim)
	return Tensor{name, DType(view.dtype), slices.Clone(shape)}
}

// Tensors lists the tensors of the task in the order of the sender. Opaque bytes count as tensors of type Opaque.
func (t *Task) Tensors() ([]Tensor, error) {
	var all []Tensor
	err := t.handle.use(func(p *C.flare_task) error {
		var name *C.char
		view := C.flare_tensor{struct_size: C.sizeof_flare_tensor}
		data := C.flare_task_shareable(p)
		for C.flare_shareable_tensor_at(data, C.size_t(len(all)), &name, &view) == C.FLARE_OK {
			all = append(all, newTensor(C.GoString(name), &view))
		}
		return nil
	})
	return all, err
}

// ViewRaw lets use have the bytes of a tensor of any type without a copy. They are the library's own memory: only read
// them, and keep none of them beyond the call.
func (t *Task) ViewRaw(name string, use func(Tensor, []byte) error) error {
	return t.handle.use(func(p *C.flare_task) error {
		view := C.flare_tensor{struct_size: C.sizeof_flare_tensor}
		err := call(func(texts []*C.char, details **C.flare_error) C.flare_status {
			data := C.flare_task_shareable(p)
			if status := C.flare_shareable_find_tensor(data, texts[0], &view); status != C.FLARE_NOT_FOUND {
				return status
			}
			return C.flare_shareable_read_tensor(data, texts[0], 0, nil, 0, details) // whose error lists the names
		}, name)
		if err != nil {
			return err
		}
		tensor := newTensor(name, &view)
		return use(tensor, unsafe.Slice((*byte)(view.data), tensor.Count()*tensor.DType.Size()))
	})
}

// Raw copies the bytes of a tensor of any type.
func (t *Task) Raw(name string) (tensor Tensor, elements []byte, err error) {
	err = t.ViewRaw(name, func(it Tensor, view []byte) error {
		tensor, elements = it, slices.Clone(view)
		return nil
	})
	return tensor, elements, err
}

// Bytes copies an entry of opaque bytes, an XGBoost model for example.
func (t *Task) Bytes(name string) ([]byte, error) {
	var content []byte
	err := t.handle.call(func(p *C.flare_task, texts []*C.char, _ **C.flare_error) C.flare_status {
		var data unsafe.Pointer
		var size C.size_t
		status := C.flare_shareable_find_bytes(C.flare_task_shareable(p), texts[0], &data, &size)
		content = slices.Clone(unsafe.Slice((*byte)(data), size))
		return status
	}, name)
	return content, err
}

// View lets use have the elements of a tensor without a copy. They are the library's own memory: only read them, and
// keep none of them beyond the call. [ErrInvalidArgument]: the elements are of another type.
func View[T Element](task *Task, name string, use func([]T) error) error {
	return task.ViewRaw(name, func(tensor Tensor, raw []byte) error {
		if tensor.DType != DTypeOf[T]() {
			return Read(task, name, []T(nil)) // whose error says what they are
		}
		return use(unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), tensor.Count()))
	})
}

// Get copies the elements of a tensor, whatever its shape, in row-major order.
func Get[T Element](task *Task, name string) ([]T, error) {
	var elements []T
	err := View(task, name, func(view []T) error { elements = slices.Clone(view); return nil })
	return elements, err
}

// Read copies the elements of a tensor into memory of yours, which must have as many.
func Read[T Element](task *Task, name string, into []T) error {
	return task.handle.call(func(p *C.flare_task, texts []*C.char, details **C.flare_error) C.flare_status {
		out := (*C.char)(unsafe.Pointer(unsafe.SliceData(into)))
		return C.read_elements(C.flare_task_shareable(p), texts[0], C.flare_dtype(DTypeOf[T]()), out,
			C.size_t(len(into)), details)
	}, name)
}
