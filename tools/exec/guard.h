// Cleans up when this process is gone, however it went: ends a process group and removes a folder. A process that dies
// by SIGKILL cannot do it, and the kernel tells only its own children of that.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "descriptor.h"

namespace flare_tool {

class Guard {
 public:
  // Starts a small process, in a session of its own. Before any thread.
  explicit Guard(const std::filesystem::path &folder);
  ~Guard();
  Guard(const Guard &) = delete;
  Guard &operator=(const Guard &) = delete;

  // Gets the group to watch from now on, a pid_t.
  int watched() const { return groups_.get(); }
  void watch_nothing() const;

 private:
  Descriptor groups_;
  pid_t pid_;
};

}  // namespace flare_tool
