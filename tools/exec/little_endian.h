// Numbers in files: little-endian, at any place. The library runs on little-endian machines only, as its wire does.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>

namespace flare_tool {

// The caller has checked that it is there.
template <typename T>
T load_at(std::span<const std::byte> bytes, size_t at) {
  T number;
  std::memcpy(&number, bytes.subspan(at).data(), sizeof number);
  return number;
}

template <typename T>
void append(std::string *to, T number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  to->append(bytes, sizeof bytes);
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace flare_tool
