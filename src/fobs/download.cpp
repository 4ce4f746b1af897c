#include "fobs/download.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <variant>

#include "base/failure.h"
#include "fobs/classes.h"

namespace flare::fobs {
namespace {

constexpr std::array<std::string_view, 3> kStatuses = {"ok", "eof", "error"};  // in the order of Status

[[noreturn]] void refuse_download(const std::string &what) {
  throw Failure(FLARE_PROTOCOL, "the download service: " + what);
}

const std::string &text_in(const Message &message, std::string_view name) {
  const Object *found = message.root.find(name);
  if (found == nullptr || found->text() == nullptr) refuse_download("a message has no " + std::string(name));
  return *found->text();
}

// Large items lie in datums, each of which is one.
class ItemReader {
 public:
  explicit ItemReader(const Message &message) {
    for (const Datum &datum : message.datums) datums_.emplace(datum.id, &datum);
  }

  Object read(const Object &item) {
    if (item.bytes() != nullptr) return item;
    const auto reference = datum_reference(item);
    const auto found = reference ? datums_.find(*reference) : datums_.end();
    if (found == datums_.end() || found->second->kind != Datum::Kind::kBytes) refuse_download("an item has no bytes");
    Object bytes = found->second->content.bytes;
    datums_.erase(found);
    return bytes;
  }

 private:
  std::map<std::string_view, const Datum *> datums_;
};

}  // namespace

Object state_of(const ItemRange &range) { return Dict{{"start", range.start}, {"count", range.count}}; }

std::optional<ItemRange> range_of(const Object &state) {
  const auto number = [&](const char *name) {
    const Object *found = state.find(name);
    const auto *value = found == nullptr ? nullptr : std::get_if<int64_t>(&found->data());
    return value == nullptr || *value < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(*value));
  };
  const auto start = number("start"), count = number("count");
  return start && count ? std::optional(ItemRange{*start, *count}) : std::nullopt;
}

Message write_request(const DownloadRequest &request) {
  Dict entries = {{"ref_id", request.ref_id}};
  if (!request.state.is_none()) entries.push_back({"state", request.state});
  return {std::move(entries), {}};
}

Message write_reply(DownloadReply reply) {
  Dict entries = {{"status", kStatuses[static_cast<size_t>(reply.status)]}};
  if (reply.status == DownloadReply::Status::kOk) {
    entries.push_back({"state", std::move(reply.state)});
    entries.push_back({"data", std::move(reply.items)});
  }
  Message message{std::move(entries), {}};
  externalize(&message);
  return message;
}

DownloadRequest read_request(const Message &message) {
  const Object *state = message.root.find("state");
  return {text_in(message, "ref_id"), state == nullptr ? Object() : *state};
}

DownloadReply read_reply(const Message &message, const Limits &limits) {
  const auto status = std::find(kStatuses.begin(), kStatuses.end(), text_in(message, "status"));
  if (status == kStatuses.end()) refuse_download("a reply is of an unknown status");
  DownloadReply reply;
  reply.status = static_cast<DownloadReply::Status>(status - kStatuses.begin());
  if (reply.status != DownloadReply::Status::kOk) return reply;
  const Object *state = message.root.find("state"), *data = message.root.find("data");
  if (state == nullptr || data == nullptr || data->array() == nullptr || data->array()->empty())
    refuse_download("a reply has no items, or does not say which they are");
  if (data->array()->size() > limits.max_tensors) too_large("the download service: a reply has too many items");
  reply.state = *state;
  ItemReader reader(message);
  for (const Object &item : *data->array()) reply.items.push_back(reader.read(item));
  return reply;
}

}  // namespace flare::fobs
