// A file read a piece at a time, so that nobody waits while a large one is.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <utility>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace flare {

class FileReader {
 public:
  // All of `file`, as many bytes as `memory` has room for.
  FileReader(Descriptor file, Block memory) : file_(std::move(file)), memory_(std::move(memory)) {}

  // Reads at most so much, and says how much that was: 0 when all is read, or the file has no more. -1: errno says why.
  ssize_t read(size_t most);
  bool complete() const { return complete_; }
  // What was read.
  Bytes bytes() const;

 private:
  Descriptor file_;
  Block memory_;
  size_t done_ = 0;
  bool complete_ = false;
};

}  // namespace flare
