// The folder of one channel of NVFlare's FilePipe, seen from the trainer's end (FP-01): x/ has what the peer sends,
// y/ what is sent to it, t/ is where files are written before they are moved there. What is no message is moved to
// refused/. Nothing here waits, and links are never followed.
//
// Each Failure is FLARE_IO where nothing else is said.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"
#include "base/failure.h"
#include "base/name_lock.h"
#include "pipe/file/file_reader.h"
#include "pipe/file/file_writer.h"

namespace flare {

// What may go a moment later: there is no space, say, or too many files are open.
class NotNow : public Failure {
  using Failure::Failure;
};

class PipeFolder {
 public:
  struct File {
    std::string name;
    bool regular = false;
    std::pair<int64_t, int64_t> modified;  // seconds and nanoseconds
  };

  // Makes what is not there, as the peer does, and deletes what a killed trainer was writing. Throws Failure, and
  // FLARE_REFUSED when another trainer on this machine has the folder.
  PipeFolder(const std::string &root, const std::string &channel);
  // Another trainer may have it now.
  void let_go() { lock_.reset(); }

  const std::string &path() const { return path_; }
  std::string incoming_path() const { return path_ + "/x"; }
  std::string outgoing_path() const { return path_ + "/y"; }
  // Whether the path does not lead here any more: the peer has closed its pipe.
  bool gone() const;

  // ---- What the peer sends ----
  // The oldest first (FP-04), and not all of too many. Throws Failure.
  std::vector<File> incoming() const;
  // nullopt: the peer took it back. Throws Failure, and FLARE_TOO_LARGE, FLARE_PROTOCOL for no regular file.
  std::optional<FileReader> open(const std::string &name, uint64_t max_bytes,
                                 const std::function<Block(size_t)> &new_block) const;
  // As reader->read(). Throws Failure.
  size_t read(const std::string &name, size_t most, FileReader *reader) const;
  // It is read, which its sender sees. False: the peer took it back before. Throws Failure.
  bool take(const std::string &name) const;
  // Moves to refused/ what cannot be read; beyond a number of them, or where it cannot be moved, it is deleted. The
  // same result.
  bool set_aside(const std::string &name);
  std::string refused_path() const { return path_ + "/refused"; }

  // ---- What is sent to it ----
  // Of a failure nothing is left behind but what its owner has of it.
  std::unique_ptr<FileWriter> begin(const std::string &name, const std::vector<Bytes> &pieces) const;
  // As writer->write(). Throws Failure.
  size_t write(const std::string &name, size_t most, FileWriter *writer) const;
  // A complete one gets its name, and is later than the one before. Throws Failure, and FLARE_STALLED when the peer has
  // deleted it.
  void put(const std::string &name, FileWriter *writer);
  // All at once.
  void put(const std::string &name, const std::vector<Bytes> &pieces);
  // Whether so many bytes seem to fit on its disk.
  bool has_room(uint64_t bytes) const;
  bool lies(const std::string &name) const;
  // False: the peer has taken it before.
  bool withdraw(const std::string &name) const;

 private:
  void clear_leftovers() const;
  [[noreturn]] void fail(const std::string &what, const std::string &name) const;

  std::string path_;
  std::optional<NameLock> lock_;
  Descriptor folder_, incoming_, outgoing_, scratch_, refused_;
  size_t set_aside_ = 0;
  std::chrono::microseconds last_put_{};
};

}  // namespace flare
