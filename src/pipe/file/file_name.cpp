#include "pipe/file/file_name.h"

#include <algorithm>
#include <array>

#include "base/failure.h"

namespace flare {

namespace {

constexpr std::string_view kRequest = "REQ", kReply = "REP";
constexpr size_t kLongestName = 255;  // of a file, in bytes

bool is_topic(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool is_id(std::string_view text) { return !text.empty() && text.find_first_of({"./\0", 3}) == std::string_view::npos; }

}  // namespace

std::optional<Message> read_file_name(std::string_view name) {
  std::array<std::string_view, 4> parts;
  size_t count = 0;
  for (bool more = true; more; ++count) {
    if (count == parts.size()) return std::nullopt;
    const size_t dot = name.find('.');
    parts[count] = name.substr(0, dot);
    more = dot != std::string_view::npos;
    if (more) name.remove_prefix(dot + 1);
  }
  const bool reply = parts[0] == kReply && count == 4;
  const bool request = parts[0] == kRequest && count == 3;
  if ((!reply && !request) || !is_topic(parts[1]) || !is_id(parts[2]) || (reply && !is_id(parts[3])))
    return std::nullopt;
  Message message;
  message.kind = reply ? MessageKind::kReply : MessageKind::kRequest;
  message.topic = parts[1];
  message.id = parts[count - 1];
  if (reply) message.request_id = parts[2];
  return message;
}

std::string file_name_of(const Message &message) {
  const bool reply = message.kind == MessageKind::kReply;
  std::string name(reply ? kReply : kRequest);
  name += "." + message.topic;
  if (reply) name += "." + message.request_id;
  name += "." + message.id;
  if (name.size() > kLongestName || !read_file_name(name)) {
    throw Failure(FLARE_INVALID_ARGUMENT, "'" + name + "' can be no name of a message file");
  }
  return name;
}

}  // namespace flare
