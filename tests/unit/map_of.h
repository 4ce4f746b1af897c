// A Map with these entries, in this order.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/value.h"

namespace flare {

inline Map map_of(std::vector<std::pair<std::string, Value>> entries) {
  Map map;
  for (auto &[key, value] : entries) map.set(key, std::move(value));
  return map;
}

}  // namespace flare
