// The end of a log, to be shown when its program failed.
#pragma once

#include <filesystem>
#include <string>

namespace flare_tool {

// The last lines of the file, each indented and on a new line; "" when it is empty or not there.
std::string log_tail(const std::filesystem::path &path, size_t lines_max);

}  // namespace flare_tool
