package flare

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/flare-agent/flare-agent-go/internal/exchanger"
)

func TestDataIsReadInManyWays(t *testing.T) {
	peer, agent := pair(t)
	_, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1, 2}, Steps: 9, Opaque: []byte("tree"),
		Headers: `{"a": [1, 2.5, "x", true, null], "b": {"c": {}}}`})
	w, err := Get[float32](task, "w")
	ok(t, err)
	into := make([]float32, 2)
	ok(t, Read(task, "w", into))
	var seen []float32
	ok(t, View(task, "w", func(view []float32) error { seen = slices.Clone(view); return nil }))
	tensor, raw, err := task.Raw("w")
	ok(t, err)
	want := []float32{1, 2}
	if !slices.Equal(w, want) || !slices.Equal(into, want) || !slices.Equal(seen, want) || len(raw) != 8 {
		t.Fatal(w, into, seen, raw)
	}
	if !reflect.DeepEqual(tensor, Tensor{"w", Float32, []int64{2}}) {
		t.Fatal(tensor)
	}
	blob, err := task.Bytes("blob")
	ok(t, err)
	if string(blob) != "tree" {
		t.Fatal(blob)
	}
	all, err := task.Tensors()
	ok(t, err)
	if len(all) != 2 {
		t.Fatal(all)
	}
	steps, err := task.Steps()
	ok(t, err)
	headers, err := task.Section(Headers)
	ok(t, err)
	extra := map[string]any{"a": []any{int64(1), 2.5, "x", true, nil}, "b": map[string]any{"c": map[string]any{}}}
	if steps != 9 || !reflect.DeepEqual(headers["extra"], extra) {
		t.Fatal(steps, headers)
	}
	body, err := task.Section(Body)
	ok(t, err)
	if !reflect.DeepEqual(find(body, "w"), tensor) && !reflect.DeepEqual(body["w"], tensor) {
		t.Fatal(body)
	}
	_, err = task.Metric("none")
	is(t, err, ErrNotFound)
	_, err = task.Section(9)
	is(t, err, ErrInvalidArgument)
}

func find(section map[string]any, name string) any {
	for _, value := range section {
		if nested, isMap := value.(map[string]any); isMap && nested[name] != nil {
			return nested[name]
		}
	}
	return nil
}

func TestWrongReadsSayWhatIsThere(t *testing.T) {
	peer, agent := pair(t)
	_, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1, 2}})
	_, err := Get[float32](task, "v")
	is(t, err, ErrNotFound)
	if !strings.Contains(err.Error(), "w") {
		t.Fatal(err)
	}
	_, err = Get[float64](task, "w")
	is(t, err, ErrInvalidArgument)
	is(t, Read(task, "w", make([]float32, 3)), ErrInvalidArgument)
	mine := errors.New("mine")
	is(t, View(task, "w", func([]float32) error { return mine }), mine)
}

func TestWrongWritesSayWhatIsWrong(t *testing.T) {
	peer, agent := pair(t)
	request, task := take(t, peer, agent, exchanger.Task{Name: "train", W: []float32{1, 2}})
	result, err := task.NewResult()
	ok(t, err)
	defer result.Close()
	_, err = task.NewResult()
	is(t, err, ErrInvalidState)
	is(t, Copy(result, "w", []float32{1}, 2), ErrInvalidArgument)
	is(t, Copy(result, "w", []float32{1}, -1), ErrInvalidArgument)
	is(t, Copy(result, "w", []float32{1}, 1<<40, 1<<40), ErrInvalidArgument)
	is(t, result.CopyRaw(Tensor{Name: "w", DType: 77, Shape: []int64{0}}, nil), ErrInvalidArgument)
	is(t, result.SetSteps(-1), ErrInvalidArgument)
	is(t, result.Wait(soon(t), Delivered), ErrInvalidState)
	ok(t, Copy(result, "w", []float32{1, 2, 3}))
	is(t, result.Submit(), ErrInvalidArgument) // does not fit the task
	ok(t, Copy(result, "w", []float32{3, 4}))
	ok(t, result.Finish(soon(t)))
	is(t, result.Submit(), ErrInvalidState)
	is(t, Copy(result, "w", []float32{3, 4}), ErrInvalidState)
	reply, err := request.Wait()
	ok(t, err)
	if !slices.Equal(reply.W, []float32{3, 4}) {
		t.Fatal(reply)
	}
}

type weight float32

func TestElementsOfEveryKindAreTaken(t *testing.T) {
	peer, agent := pair(t)
	_, task := take(t, peer, agent, exchanger.Task{Name: "other"})
	result, err := task.NewResult()
	ok(t, err)
	defer result.Close()
	model := &struct { // an array beside a Go pointer, which cgo must not look at
		next *int
		w    [4]float32
	}{next: new(int)}
	ok(t, errors.Join(
		Copy(result, "int8", []int8{1}), Copy(result, "int16", []int16{1}), Copy(result, "int32", []int32{1}),
		Copy(result, "int64", []int64{1}), Copy(result, "uint8", []uint8{1}), Copy(result, "uint16", []uint16{1}),
		Copy(result, "uint32", []uint32{1}), Copy(result, "uint64", []uint64{1}),
		Copy(result, "float64", []float64{1}), Copy(result, "complex64", []complex64{1}),
		Copy(result, "complex128", []complex128{1}), Copy(result, "bool", []bool{true}),
		Copy(result, "scalar", []weight{1}, []int64{}...), Copy(result, "empty", []float32(nil)),
		Copy(result, "array", model.w[:], 2, 2), Borrow(result, "borrowed", model.w[:], 2, 2),
		Borrow(result, "borrowed empty", []float32{}),
		result.CopyRaw(Tensor{"half", Float16, []int64{2}}, make([]byte, 4)),
		result.CopyBytes("bytes", []byte("x")), result.CopyBytes("no bytes", nil),
		result.Set(Headers, "int", 1), result.Set(Headers, "int64", int64(1)), result.Set(Meta, "double", 0.5),
		result.Set(Meta, "text", "x"), result.Set(Meta, "list", []string{"x"}),
		result.SetKind("WEIGHTS"), result.SetReturnCode("OK"),
	))
	ok(t, result.Finish(soon(t)))
	if DTypeOf[weight]() != Float32 || Float16.Size() != 2 {
		t.Fatal("dtypes")
	}
}
