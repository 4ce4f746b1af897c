#include "private_directory.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

namespace flare_tool {

PrivateDirectory::PrivateDirectory() {
  const char *runtime = std::getenv("XDG_RUNTIME_DIR");
  for (const char *parent : {runtime, "/tmp"}) {
    if (parent == nullptr) continue;
    std::string name = std::string(parent) + "/flare-agent-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) {  // with mode 0700
      path_ = name;
      return;
    }
  }
  throw std::system_error(errno, std::generic_category(), "cannot make a directory in /tmp");
}

PrivateDirectory::~PrivateDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace flare_tool
