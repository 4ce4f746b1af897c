// The files of one channel on their way to the peer: one after the other, each a piece at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/failure.h"
#include "base/time.h"
#include "pipe/file/pipe_folder.h"

namespace flare {

class Outbox {
 public:
  struct File {
    std::string message;  // its id
    std::string name;
    std::vector<Bytes> pieces;
  };
  struct Outcome {
    std::string message, name;
    std::optional<Failure> failure;  // none: it lies there
    bool again = false;              // it is tried again later
  };

  void add(File file) { files_.push_back(std::move(file)); }
  // What is not put yet.
  void drop(const std::string &message);
  void clear();

  // Writes until `room` bytes are used up, which it counts down; the failure of a file drops the rest of its message.
  std::vector<Outcome> write(PipeFolder *folder, size_t *room, TimePoint now);
  uint64_t bytes_written() const { return bytes_written_; }
  // When there is something to write; nullopt: nothing is.
  std::optional<TimePoint> next(TimePoint now) const;

 private:
  bool write_first(PipeFolder *folder, size_t *room);

  std::deque<File> files_;
  std::unique_ptr<FileWriter> writer_;  // of the first
  std::optional<TimePoint> again_at_;
  uint64_t bytes_written_ = 0;
};

}  // namespace flare
