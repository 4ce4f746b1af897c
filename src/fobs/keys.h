// The keys of a model that are no texts, for the way back.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "fobs/object.h"

namespace flare::fobs {

// By the way to each entry, with the name that its key has as a text. No two entries have the same way, whatever the
// names: each has its length before it, and a position in a list stands in brackets.
using Keys = std::map<std::string, Object, std::less<>>;

inline void step_into(std::string_view name, std::string *way) {
  way->append(std::to_string(name.size())).append(":").append(name);
}

inline void step_into(size_t position, std::string *way) {
  way->append("[").append(std::to_string(position)).append("]");
}

}  // namespace flare::fobs
