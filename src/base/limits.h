// Every bound on what a peer can make us keep or do (W-25, W-26), in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flare {

struct Limits {
  size_t max_envelope_bytes = 64u << 20;           // metadata of one message
  size_t max_greeting_bytes = 64u << 10;           // the same of whoever is not admitted
  uint64_t max_tensor_bytes = uint64_t{1} << 40;   // one tensor
  uint64_t max_message_bytes = uint64_t{1} << 42;  // all tensors of one message
  size_t max_tensors = 1'000'000;                  // per message
  int32_t max_dimensions = 32;
  size_t max_depth = 32;            // nesting of values
  size_t max_text = 1u << 20;       // one name or topic
  size_t max_objects = 10'000'000;  // values in a message of NVFlare's own encoding, of which each can take 80 bytes
  size_t max_object_depth = 128;    // their nesting; an object of a class takes two levels
  size_t inline_bytes = 64u << 10;  // tensors up to this sum travel with their message
  size_t chunk_bytes = 1u << 20;
  size_t chunk_window = 16;          // chunks asked for and not yet here
  int max_corrupt = 5;               // how often one chunk may come damaged: then the transfer is over
  size_t max_queued_messages = 64;   // received, not yet taken by the user
  size_t max_remembered_ids = 1024;  // of received messages, against repeats (W-22)
  size_t max_uploads = 8;            // results on their way at once
  size_t max_metrics = 10'000;       // not yet acknowledged (agent) or not yet read (exchanger)
  size_t metrics_per_batch = 256;
  size_t metric_bytes_per_batch = 1u << 20;  // and so of one metric
  size_t max_transactions = 64;              // live download transactions
  size_t max_receivers = 1024;               // of one result
  size_t max_outcomes = 1024;                // remembered ends of transactions
  size_t max_tombstones = 65536;             // refs of finished transactions, for receivers that ask again
  size_t max_words_left = 16384;             // ends of transfers that the peer was told and has not acknowledged
  int max_unsent = 4096;                     // messages for a connection that does not read, or from one, in a socket
};

// Those that both ends of the wire know (docs/wire-zmq.md).
namespace wire {
inline constexpr size_t kMaxId = 1024;       // bytes of an id: both ends keep many of them
inline constexpr size_t kMaxReceiver = 256;  // bytes of a receiver's name
inline constexpr size_t kMaxReason = 4096;   // bytes of a reason: encode() cuts longer ones
}  // namespace wire

}  // namespace flare
