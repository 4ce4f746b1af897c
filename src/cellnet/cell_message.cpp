#include "cellnet/cell_message.h"

#include <utility>
#include <variant>

namespace flare {

AddressedMessage address(OutgoingMessage message, const CellIdentity &identity, const std::string &to,
                         double wall_time) {
  using Kind = OutgoingMessage::Kind;
  AddressedMessage out{std::move(message.headers), std::move(message.payload)};
  Map &headers = out.headers;
  if (message.kind != Kind::kReply) headers.set(cell_key::kReplyExpected, message.kind == Kind::kRequest);
  headers.set(cell_key::kOptional, message.optional);
  headers.set(cell_key::kSecure, false);
  headers.set(cell_key::kTopic, message.topic);
  headers.set(cell_key::kChannel, message.channel);
  headers.set(cell_key::kDestination, message.destination);
  if (message.kind != Kind::kForget) headers.set(cell_key::kRequestId, message.request_id);
  headers.set(cell_key::kFrom, identity.fqcn);
  headers.set(cell_key::kTo, to);
  headers.set(cell_key::kOrigin, identity.fqcn);
  headers.set(cell_key::kMessageType, message.kind == Kind::kReply ? message_type::kReply : message_type::kRequest);
  headers.set(cell_key::kRoute, List{List{identity.fqcn, wall_time}});
  headers.set(cell_key::kClientName, identity.client_name);
  headers.set(cell_key::kToken, identity.token);
  headers.set(cell_key::kTokenSignature, identity.signature);
  const bool is_blob = message.channel == kStreamChannel && message.topic == kDataTopic;
  headers.set(cell_key::kPayloadEncoding, is_blob || out.payload.size() > 0 ? encoding::kBytes : encoding::kNone);
  headers.set(cell_key::kPayloadBytes, static_cast<int64_t>(out.payload.size()));
  headers.set(cell_key::kSendTime, wall_time);
  return out;
}

std::string text_of(const Map &headers, std::string_view key) {
  const Value *value = headers.find(key);
  return value && value->text() ? *value->text() : "";
}

bool flag_of(const Map &headers, std::string_view key) {
  const Value *value = headers.find(key);
  const bool *flag = value ? std::get_if<bool>(&value->data()) : nullptr;
  return flag && *flag;
}

int64_t number_of(const Map &headers, std::string_view key) {
  const Value *value = headers.find(key);
  const auto *number = value ? std::get_if<int64_t>(&value->data()) : nullptr;
  return number ? *number : -1;
}

}  // namespace flare
