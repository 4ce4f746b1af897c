#include "private_directory.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace flare_tool {

namespace {

// With mode 0700; "" when it cannot be made.
std::string make_in(const std::filesystem::path &parent) {
  std::string name = parent / "flare-agent-XXXXXX";
  return ::mkdtemp(name.data()) != nullptr ? name : "";
}

}  // namespace

PrivateDirectory::PrivateDirectory() {
  if (const char *runtime = std::getenv("XDG_RUNTIME_DIR")) path_ = make_in(runtime);
  if (path_.empty()) path_ = make_in("/tmp");
  if (path_.empty()) throw std::system_error(errno, std::generic_category(), "cannot make a directory in /tmp");
}

PrivateDirectory::PrivateDirectory(const std::filesystem::path &parent) : path_(make_in(parent)) {
  if (path_.empty())
    throw std::system_error(errno, std::generic_category(), "cannot make a directory in " + parent.string());
}

PrivateDirectory::~PrivateDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace flare_tool
