#include "cellnet/prefix.h"

namespace flare {
namespace {

template <typename T>
std::byte *put_big_endian(T number, std::byte *to) {
  for (size_t i = sizeof(T); i > 0; --i) *to++ = static_cast<std::byte>(number >> (8 * (i - 1)));
  return to;
}

template <typename T>
const std::byte *get_big_endian(const std::byte *from, T *number) {
  uint64_t all = 0;
  for (size_t i = 0; i < sizeof(T); ++i) all = all << 8 | std::to_integer<uint64_t>(*from++);
  *number = static_cast<T>(all);
  return from;
}

}  // namespace

void write_prefix(const Prefix &prefix, std::byte *to) {
  to = put_big_endian(prefix.length, to);
  to = put_big_endian(prefix.header_bytes, to);
  to = put_big_endian(prefix.type, to);
  to = put_big_endian(prefix.reserved, to);
  to = put_big_endian(prefix.flags, to);
  to = put_big_endian(prefix.app_id, to);
  to = put_big_endian(prefix.stream_id, to);
  put_big_endian(prefix.sequence, to);
}

Prefix read_prefix(const std::byte *from) {
  Prefix prefix;
  from = get_big_endian(from, &prefix.length);
  from = get_big_endian(from, &prefix.header_bytes);
  from = get_big_endian(from, &prefix.type);
  from = get_big_endian(from, &prefix.reserved);
  from = get_big_endian(from, &prefix.flags);
  from = get_big_endian(from, &prefix.app_id);
  from = get_big_endian(from, &prefix.stream_id);
  get_big_endian(from, &prefix.sequence);
  return prefix;
}

}  // namespace flare
