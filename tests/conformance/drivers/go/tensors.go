package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"unsafe"

	"github.com/flare-agent/flare-agent-go"
)

var dtypeNames = map[flare.DType]string{
	flare.Int8: "int8", flare.Int16: "int16", flare.Int32: "int32", flare.Int64: "int64", flare.Uint8: "uint8",
	flare.Uint16: "uint16", flare.Uint32: "uint32", flare.Uint64: "uint64", flare.Float16: "float16",
	flare.Float32: "float32", flare.Float64: "float64", flare.Opaque: "opaque", flare.BFloat16: "bfloat16",
	flare.Complex64: "complex64", flare.Complex128: "complex128", flare.Bool: "bool",
	flare.Float8E4M3FN: "float8_e4m3fn", flare.Float8E5M2: "float8_e5m2",
}

func dtypeNamed(name string) flare.DType {
	for dtype, known := range dtypeNames {
		if known == name {
			return dtype
		}
	}
	return 0
}

func hash(raw []byte) string {
	sum := fnv.New64a()
	sum.Write(raw)
	return fmt.Sprintf("%016x", sum.Sum64())
}

// typed calls the generic functions of package flare for a type that is known only now.
type typed struct {
	read func(task *flare.Task, name string) ([]byte, error)
	put  func(result *flare.Result, name string, numbers []int64, shape []int64, borrow bool) error
}

func typedAs[T flare.Element](element func(int64) T) typed {
	return typed{
		read: func(task *flare.Task, name string) ([]byte, error) {
			elements, err := flare.Get[T](task, name)
			size := len(elements) * flare.DTypeOf[T]().Size()
			return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(elements))), size), err
		},
		put: func(result *flare.Result, name string, numbers []int64, shape []int64, borrow bool) error {
			elements := make([]T, len(numbers))
			for i, number := range numbers {
				elements[i] = element(number)
			}
			if borrow {
				return flare.Borrow(result, name, elements, shape...)
			}
			return flare.Copy(result, name, elements, shape...)
		},
	}
}

var types = map[string]typed{
	"int8":       typedAs(func(n int64) int8 { return int8(n) }),
	"int16":      typedAs(func(n int64) int16 { return int16(n) }),
	"int32":      typedAs(func(n int64) int32 { return int32(n) }),
	"int64":      typedAs(func(n int64) int64 { return n }),
	"uint8":      typedAs(func(n int64) uint8 { return uint8(n) }),
	"uint16":     typedAs(func(n int64) uint16 { return uint16(n) }),
	"uint32":     typedAs(func(n int64) uint32 { return uint32(n) }),
	"uint64":     typedAs(func(n int64) uint64 { return uint64(n) }),
	"float32":    typedAs(func(n int64) float32 { return float32(n) }),
	"float64":    typedAs(func(n int64) float64 { return float64(n) }),
	"complex64":  typedAs(func(n int64) complex64 { return complex(float32(n), 0) }),
	"complex128": typedAs(func(n int64) complex128 { return complex(float64(n), 0) }),
	"bool":       typedAs(func(n int64) bool { return n%2 == 1 }),
}

// numbers are those that the elements of a put are made of; none when the shape makes no sense.
func numbers(start int64, shape []int64) []int64 {
	count := int64(1)
	for _, extent := range shape {
		if extent < 0 || extent > 1<<28 || count*extent > 1<<28 {
			return nil
		}
		count *= extent
	}
	all := make([]int64, count)
	for i := range all {
		all[i] = (start + int64(i)) % 128
	}
	return all
}

// bits are elements whose bits are the numbers.
func bits(dtype flare.DType, numbers []int64) []byte {
	var raw []byte
	for _, number := range numbers {
		if dtype.Size() == 2 {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(number))
		} else {
			raw = append(raw, byte(number))
		}
	}
	return raw
}

func (d *driver) put(r request) error {
	shape := r.Shape
	if shape == nil {
		shape = []int64{} // a scalar
	}
	numbers := numbers(r.Start, shape)
	borrow := r.How != "copy" // "own" too: a pinned slice is kept alive
	if typed, found := types[r.DType]; found {
		return typed.put(d.result, r.Name, numbers, shape, borrow)
	}
	tensor := flare.Tensor{Name: r.Name, DType: dtypeNamed(r.DType), Shape: shape}
	if borrow {
		return d.result.BorrowRaw(tensor, bits(tensor.DType, numbers))
	}
	return d.result.CopyRaw(tensor, bits(tensor.DType, numbers))
}

func (d *driver) read(r request) answer {
	shape, raw, err := []int64{}, []byte{}, error(nil)
	if typed, found := types[r.DType]; found {
		raw, err = typed.read(d.task, r.Name)
	} else {
		var tensor flare.Tensor
		tensor, raw, err = d.task.Raw(r.Name)
		if err == nil && tensor.DType != dtypeNamed(r.DType) {
			return answer{"status": "INVALID_ARGUMENT", "message": "the tensor is of " + dtypeNames[tensor.DType]}
		}
	}
	all, _ := d.task.Tensors()
	for _, tensor := range all {
		if tensor.Name == r.Name {
			shape = append(shape, tensor.Shape...)
		}
	}
	return outcome(err, answer{"shape": shape, "hash": hash(raw)})
}

func (d *driver) tensors() answer {
	all, err := d.task.Tensors()
	list := []answer{}
	for _, tensor := range all {
		err = errors.Join(err, d.task.ViewRaw(tensor.Name, func(tensor flare.Tensor, raw []byte) error {
			shape := append([]int64{}, tensor.Shape...)
			list = append(list, answer{"name": tensor.Name, "dtype": dtypeNames[tensor.DType], "shape": shape,
				"hash": hash(raw)})
			return nil
		}))
	}
	return outcome(err, answer{"tensors": list})
}

func (d *driver) echo() error {
	all, err := d.task.Tensors()
	for _, tensor := range all {
		if err := d.task.ViewRaw(tensor.Name, d.result.CopyRaw); err != nil {
			return err
		}
	}
	return err
}

// plain turns nested values into what the protocol says of them.
func plain(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			value[key] = plain(child)
		}
	case []any:
		for i, child := range value {
			value[i] = plain(child)
		}
	case []byte:
		return answer{"$bytes": hex.EncodeToString(value)}
	case flare.Tensor:
		return answer{"$tensor": dtypeNames[value.DType]}
	case flare.OpaqueValue:
		return answer{"$opaque": value.Type}
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return strings.TrimPrefix(fmt.Sprint(value), "+") // JSON has no such numbers
		}
		return float(value)
	}
	return value
}

// float is written with a point, so that 1.0 is told apart from 1.
type float float64

func (f float) MarshalJSON() ([]byte, error) {
	text := fmt.Sprintf("%v", float64(f))
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return []byte(text), nil
}
