// A file that an option names, read whole.
#pragma once

#include <sys/types.h>

#include <string>

namespace flare {

struct SmallFile {
  std::string content;
  mode_t mode = 0;  // of the file that the content is from
};

// `kind` and `path` begin each message. Throws Failure(FLARE_IO) when it cannot be read, FLARE_INVALID_ARGUMENT when it
// is no regular file or larger than a mebibyte.
SmallFile read_small_file(const std::string &kind, const std::string &path);

// Throws Failure(FLARE_INVALID_ARGUMENT) that begins with the name of the file.
[[noreturn]] void refuse_file(const std::string &name, const std::string &text);

}  // namespace flare
