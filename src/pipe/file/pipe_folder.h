// The folder of one channel of NVFlare's FilePipe, seen from the trainer's end (FP-01): x/ has what the peer sends,
// y/ what is sent to it, t/ is where files are written before they are moved there. What is no message is moved to
// refused/. Nothing here waits, and links are never followed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace flare {

class PipeFolder {
 public:
  struct File {
    std::string name;
    bool regular = false;
    int64_t modified_ns = 0;
  };

  // Makes what is not there, as the peer does. Throws Failure(FLARE_IO).
  PipeFolder(const std::string &root, const std::string &channel);

  const std::string &path() const { return path_; }
  std::string incoming_path() const { return path_ + "/x"; }
  std::string outgoing_path() const { return path_ + "/y"; }
  // Whether the path does not lead here any more: the peer has closed its pipe.
  bool gone() const;

  // ---- What the peer sends ----
  // The oldest first (FP-04), and not all of too many. Throws Failure(FLARE_IO).
  std::vector<File> incoming() const;
  // nullopt: the peer took it back. Throws Failure: FLARE_IO, FLARE_TOO_LARGE, FLARE_PROTOCOL for no regular file.
  std::optional<Bytes> read(const std::string &name, uint64_t max_bytes,
                            const std::function<Block(size_t)> &new_block) const;
  // It is read, which its sender sees. False: the peer took it back before. Throws Failure(FLARE_IO).
  bool take(const std::string &name) const;
  // Moves to refused/ what cannot be read; beyond a number of them it is deleted. The same result.
  bool set_aside(const std::string &name);
  std::string refused_path() const { return path_ + "/refused"; }

  // ---- What is sent to it ----
  // Each is later than the one before. Throws Failure(FLARE_IO), and nothing is left behind.
  void put(const std::string &name, std::vector<Bytes> pieces);
  bool lies(const std::string &name) const;
  // False: the peer has taken it before.
  bool withdraw(const std::string &name) const;

 private:
  bool date(int fd);
  [[noreturn]] void fail(const std::string &what, const std::string &name) const;

  std::string path_;
  Descriptor folder_, incoming_, outgoing_, scratch_, refused_;
  size_t set_aside_ = 0;
  std::chrono::microseconds last_put_{};
};

}  // namespace flare
