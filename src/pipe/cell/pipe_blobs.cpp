#include "pipe/cell/pipe_blobs.h"

#include <utility>

#include "base/uuid.h"
#include "fobs/metric.h"
#include "pipe/cell/cell_words.h"
#include "pipe/metric.h"

namespace flare {

Chain chain_of(const fobs::Message &message) { return Chain(fobs::encode(message).take()); }

std::string channel_of(const std::string &name) { return std::string(kChannelPrefix) + name; }

Blob fobs_blob(const std::string &destination, std::string_view channel, std::string_view topic, Chain content) {
  Blob blob;
  blob.destination = destination;
  blob.channel = channel;
  blob.topic = topic;
  blob.encoding = encoding::kFobs;
  blob.content = std::move(content);
  return blob;
}

Blob heartbeat_blob(const std::string &destination, const std::string &channel, int64_t number, double wall_time) {
  static const Chain nothing = chain_of({fobs::Object(""), {}});
  Blob beat = fobs_blob(destination, channel_of(channel), kHeartbeatTopic, nothing);
  beat.optional = true;
  beat.headers.set(pipe_key::kMessageType, kPipeRequest);
  beat.headers.set(pipe_key::kMessageId, new_uuid());
  beat.headers.set(pipe_key::kStart, wall_time);
  beat.headers.set(pipe_key::kHeartbeat, number);
  return beat;
}

Map headers_of(const Message &message, Duration root_ttl, bool pass_through, double wall_time) {
  Map headers;
  const bool reply = message.kind == MessageKind::kReply;
  headers.set(pipe_key::kMessageType, reply ? kPipeReply : kPipeRequest);
  headers.set(pipe_key::kMessageId, message.id);
  if (reply) headers.set(pipe_key::kRequestId, message.request_id);
  headers.set(pipe_key::kStart, wall_time);
  headers.set(pipe_key::kRootId, message.id);
  if (reply) headers.set(pipe_key::kRootTtl, to_seconds(root_ttl));
  if (pass_through && message.topic != topic::kMetric) headers.set(pipe_key::kPassThrough, true);
  return headers;
}

std::shared_ptr<Message> message_of(const StreamCell::Received &received) {
  auto message = std::make_shared<Message>();
  message->kind =
      text_of(received.headers, pipe_key::kMessageType) == kPipeReply ? MessageKind::kReply : MessageKind::kRequest;
  message->topic = received.topic;
  message->id = text_of(received.headers, pipe_key::kMessageId);
  message->request_id = text_of(received.headers, pipe_key::kRequestId);
  return message;
}

std::vector<Chain> metric_contents(const Message &batch, const Limits &limits) {
  std::vector<Chain> contents;
  for (const Metric &metric : to_metrics(batch)) {
    contents.push_back(
        chain_of(fobs::write_metric(metric.type, metric.name, metric.value, metric.step, metric.path, limits)));
  }
  return contents;
}

}  // namespace flare
