// A fresh directory that only this user can enter; removed with all it holds.
#pragma once

#include <filesystem>

namespace flare_tool {

class PrivateDirectory {
 public:
  // In $XDG_RUNTIME_DIR, else in /tmp.
  PrivateDirectory();
  explicit PrivateDirectory(const std::filesystem::path &parent);
  ~PrivateDirectory();
  PrivateDirectory(const PrivateDirectory &) = delete;
  PrivateDirectory &operator=(const PrivateDirectory &) = delete;

  const std::filesystem::path &path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace flare_tool
