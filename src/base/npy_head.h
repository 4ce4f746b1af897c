// The few words about an array that NumPy's files of one begin with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flare {

struct NpyHead {
  std::string descr;  // NumPy's word for the type, "<f4"; of records the list of their fields, as it stands there
  bool first_index_fastest = false;
  std::vector<int64_t> shape;
  size_t size = 0;  // of the head: there the elements begin

  bool has_records() const { return descr.starts_with('['); }
};

// Throws std::invalid_argument that says what is wrong.
NpyHead read_npy_head(std::string_view file);

// As NumPy writes it, for elements in row-major order; a multiple of 64 bytes.
std::string write_npy_head(std::string_view descr, const std::vector<int64_t> &shape);

}  // namespace flare
