// What tasks and results carry: made from a key, so that whoever knows the key knows every byte.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/shareable.h"

namespace flare_world {

// A program's own memory, which it lends to the library.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  ~Memory() { scribble(); }

  float *add(int64_t floats);
  // It is the program's again; what the library still sent of it would be wrong.
  void scribble();

 private:
  std::vector<std::vector<float>> blocks_;
};

// One tensor for each size. With `lent`, they lie in that memory, which the library may only use until it says so.
flare::Shareable make_content(uint64_t key, const std::vector<int64_t> &floats, Memory *lent);
bool is_content(const flare::Shareable &content, uint64_t key, const std::vector<int64_t> &floats);

}  // namespace flare_world
