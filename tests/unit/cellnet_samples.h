// What the tests of the cells share: recorded sessions, messages of a peer, frames as bytes.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cellnet/frame_parser.h"
#include "cellnet/header_map.h"
#include "cellnet/sfm_session.h"
#include "cellnet/stream_cell.h"

namespace flare {

inline constexpr TimePoint kStart{};

inline const std::string kUs = "site-1_tok1_active";
inline const std::string kThem = "site-1_tok1_passive";
inline const std::string kServer = "server";  // the cell that we are connected with

inline CellIdentity our_identity() { return {kUs, "site-1", "NA", "NA"}; }

inline SfmSession::Options session_options(const std::string &expected_peer = "") {
  SfmSession::Options options;
  options.fqcn = kUs;
  options.expected_peer = expected_peer;
  return options;
}

inline Bytes view(std::string_view text) {
  return {nullptr, reinterpret_cast<const std::byte *>(text.data()), text.size()};
}
inline Bytes owned(std::string_view text) { return copy_bytes(text.data(), text.size()); }

inline std::string bytes_of(const Chain &chain) {
  std::string bytes;
  for (const Bytes &piece : chain.pieces()) bytes += piece.text();
  return bytes;
}
inline std::string bytes_of(const OutFrame &frame) { return frame.head + bytes_of(frame.payload); }

// A frame with its own memory.
struct KeptFrame {
  Prefix prefix;
  std::string headers;
  std::string payload;
  bool skipped = false;

  Frame frame() const { return {prefix, headers, view(payload), skipped}; }
};

// Feeds the bytes in pieces of `piece` bytes.
inline std::vector<KeptFrame> parse_all(std::string_view bytes, size_t piece, FrameParser *parser) {
  std::vector<KeptFrame> frames;
  while (!bytes.empty()) {
    const auto room = parser->room();
    const size_t count = std::min({piece, room.size(), bytes.size()});
    std::memcpy(room.data(), bytes.data(), count);
    parser->filled(count);
    bytes.remove_prefix(count);
    while (const auto frame = parser->next()) {
      frames.push_back(
          {frame->prefix, std::string(frame->headers), std::string(frame->payload.text()), frame->skipped});
    }
  }
  return frames;
}

inline std::vector<KeptFrame> parse_all(std::string_view bytes, size_t piece = 1 << 20,
                                        const CellLimits &limits = CellLimits()) {
  FrameParser parser(limits);
  return parse_all(bytes, piece, &parser);
}

// As it comes from the peer for us.
inline CellMessage from_peer(Map headers, const Bytes &payload, const std::string &channel, std::string_view topic) {
  OutgoingMessage message;
  message.destination = kUs;
  message.channel = channel;
  message.topic = topic;
  message.headers = std::move(headers);
  message.payload = payload;
  return {address(std::move(message), {kThem, "site-1", "NA", "NA"}, kUs, 0).headers, payload};
}

struct ChunkSample {
  int64_t id = 1;
  int64_t sequence = 0;
  int64_t offset = 0;
  int64_t size = 0;
  bool last = true;
  std::string channel = "cell_pipe.task";
  std::string topic = "train";
  std::string request_id = "";
};

inline CellMessage chunk_message(const ChunkSample &chunk, std::string_view content) {
  Map headers;
  if (!chunk.request_id.empty()) headers.set(stream_key::kRequestId, chunk.request_id);
  headers.set(stream_key::kChannel, chunk.channel);
  headers.set(stream_key::kTopic, chunk.topic);
  headers.set(stream_key::kSize, chunk.size);
  headers.set(stream_key::kId, chunk.id);
  headers.set(stream_key::kKind, chunk.last ? stream_kind::kFinal : stream_kind::kChunk);
  headers.set(stream_key::kSequence, chunk.sequence);
  headers.set(stream_key::kOffset, chunk.offset);
  return from_peer(std::move(headers), view(content), std::string(kStreamChannel), kDataTopic);
}

}  // namespace flare
