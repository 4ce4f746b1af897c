// flare-agent keys: pairs of keys for CURVE, in files.
#pragma once

#include <filesystem>
#include <string>

namespace flare_tool {

struct KeyFiles {
  std::filesystem::path secret_file;  // PATH.secret, for its owner alone
  std::filesystem::path public_file;  // PATH.public
};

// Makes a pair in two new files named after `path`. Throws when there is one of them already, and leaves none then.
KeyFiles make_keys(const std::filesystem::path &path);

}  // namespace flare_tool
