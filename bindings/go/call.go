package flare

/*
#include <flare_agent.h>
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// call makes a call in C. The texts become C strings for as long as it lasts, and what it says becomes an error.
func call(function func(texts []*C.char, details **C.flare_error) C.flare_status, texts ...string) error {
	copies := make([]*C.char, len(texts))
	for i, text := range texts {
		if strings.IndexByte(text, 0) >= 0 { // C would take the part before it for the whole
			return &Error{ErrInvalidArgument, fmt.Sprintf("the text %q has a NUL in it", text)}
		}
		copies[i] = C.CString(text)
		defer C.free(unsafe.Pointer(copies[i]))
	}
	var details *C.flare_error
	return takeError(function(copies, &details), details)
}

// call is use and call in one: what nearly every function does.
func (h *handle[Pointer]) call(function func(p Pointer, texts []*C.char, details **C.flare_error) C.flare_status,
	texts ...string) error {
	return h.use(func(p Pointer) error {
		return call(func(texts []*C.char, details **C.flare_error) C.flare_status {
			return function(p, texts, details)
		}, texts...)
	})
}
