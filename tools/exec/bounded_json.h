// JSON of others: its depth is bounded, as whoever walks through it uses the stack.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

namespace flare_tool {

using Json = nlohmann::ordered_json;

constexpr int kJsonDepthMax = 32;

// Throws std::runtime_error saying where it is no JSON.
inline Json parse_json(std::string_view text) {
  const auto bound = [](int depth, Json::parse_event_t, Json &) {
    if (depth > kJsonDepthMax) throw std::runtime_error("it is nested too deeply");
    return true;
  };
  return Json::parse(text, bound);
}

}  // namespace flare_tool
