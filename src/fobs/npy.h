// NumPy's file of one array: a few words about it, then its elements. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/npy_head.h"
#include "model/tensor.h"

namespace flare::fobs {

struct NpyArray {
  NpyHead head;
  Bytes elements;  // where they lie in the file
};

// Throws Failure: FLARE_PROTOCOL for what is no array, or has Python's objects in it; FLARE_TOO_LARGE.
NpyArray read_npy(const Bytes &file, const Limits &limits);

// The same as a tensor, which refers to the same elements unless their order, of bytes or of dimensions, is not a
// tensor's. Nothing for types that tensors do not have: texts, times, records. Throws Failure as read_npy().
std::optional<Tensor> tensor_of(const NpyArray &array, const Limits &limits);

// Of a message or an answer that begins so: where the elements of its first array lie; 0 when none begins there.
size_t first_elements_at(const Bytes &beginning);

// What stands before the elements, as NumPy writes it. Throws Failure(FLARE_INVALID_ARGUMENT) for types that NumPy does
// not know.
std::string npy_head(const Tensor &tensor);

}  // namespace flare::fobs
