// NumPy's file of several arrays: a zip archive of npy files, stored and not compressed, as the items are that NVFlare
// lets others download. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "fobs/pieces.h"
#include "model/tensor.h"

namespace flare::fobs {

struct NpzMember {
  std::string name;  // of the array, without ".npy"
  Bytes npy;         // where it lies in the archive
};

// With their checksums checked. Throws Failure: FLARE_PROTOCOL for what is no such archive, or was damaged;
// FLARE_TOO_LARGE.
std::vector<NpzMember> read_npz(const Bytes &archive, const Limits &limits);

// An archive of one array, byte for byte as NumPy makes it. Throws Failure as npy_head().
Joined write_npz(std::string_view name, const Tensor &tensor);

}  // namespace flare::fobs
