// A profile that was written for another process to read.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>

namespace flare {

// The file is there whole or not at all, only its owner may use it, and it goes with this object, unless somebody has
// put another in its place.
class WrittenProfile {
 public:
  // Takes the place of a file that is there. Throws Failure(FLARE_IO) when it cannot be written.
  WrittenProfile(const std::string &path, const std::map<std::string, std::string> &values);
  ~WrittenProfile();
  WrittenProfile(const WrittenProfile &) = delete;
  WrittenProfile &operator=(const WrittenProfile &) = delete;

 private:
  std::string path_;
  std::pair<dev_t, ino_t> id_;  // of the file
};

}  // namespace flare
