// A profile: a JSON file with an object of option names and values.
#pragma once

#include <map>
#include <string>

namespace flare {

// The values as text; whether the names are options is for the caller to see. Throws Failure(FLARE_IO) when the file
// cannot be read, FLARE_INVALID_ARGUMENT when it is no such object, or when it holds a token and others than its owner
// may read it. No message shows a value.
std::map<std::string, std::string> read_profile(const std::string &path);

}  // namespace flare
