// A file written a piece at a time under a name that nobody looks for. It gets its own name when it is complete, and is
// gone when it never is.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace flare {

class FileWriter {
 public:
  // What those begin with that a killed process may leave behind.
  static constexpr const char *kTemporary = ".flare_agent-";

  // In the folder of that descriptor, which outlives this. opened() is false when there can be none: errno says why.
  FileWriter(int folder, std::vector<Bytes> pieces);
  ~FileWriter();
  FileWriter(const FileWriter &) = delete;
  FileWriter &operator=(const FileWriter &) = delete;

  bool opened() const { return file_.get() >= 0; }
  // Writes at most so much, and says how much that was. -1: errno says why.
  ssize_t write(size_t most);
  bool complete() const { return next_ == pieces_.size(); }
  // To the other folder, with that time of modification. False: errno says why, which is ENOENT when somebody deleted
  // it.
  bool move_to(int folder, const std::string &name, std::chrono::microseconds modified);

 private:
  int folder_;
  std::string temporary_;  // empty: it has its name
  Descriptor file_;
  std::vector<Bytes> pieces_;
  size_t next_ = 0;  // the piece that is written, or what is left of it
};

}  // namespace flare
