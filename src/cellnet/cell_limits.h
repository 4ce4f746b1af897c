// Every bound on what a cell can make us keep or do, and the sizes and times that NVFlare's streams agree on.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace flare {

struct CellLimits {
  size_t max_frame_bytes = 64u << 20;  // blobs travel in chunks of 1 MiB; longer frames are skipped
  size_t max_header_values = 4096;     // in all the maps and lists of one message's headers
  size_t max_header_depth = 16;
  size_t max_header_bytes = 60u << 10;  // of ours, before our names and times are added: a frame has place for 64 KiB
  size_t max_name = 1024;               // bytes of a cell's name, a channel, a topic, an id, of a reason that is told
  uint64_t max_blob_bytes = uint64_t{1} << 40;
  uint64_t max_incoming_bytes = uint64_t{1} << 41;  // of all blobs that are coming in
  size_t max_incoming_streams = 256;
  size_t max_out_of_order = 1024;         // chunks of one blob that came before an earlier one
  uint64_t max_ahead_bytes = 64u << 20;   // how far they may be ahead when the blob's size is not known
  size_t max_finished = 4096;             // streams remembered after their end, for what comes late
  size_t max_requests = 1024;             // waiting for their answers
  size_t max_unsent = 4096;               // messages and blobs lined up for a peer that does not read
  size_t max_remarks = 1024;              // who was heard, and complaints, until somebody takes them
  size_t max_pongs = 16;                  // not yet sent
  size_t chunk_bytes = 1u << 20;          // streaming_chunk_size
  uint64_t window_bytes = 16u << 20;      // streaming_window_size: sent and not acknowledged
  uint64_t acknowledge_after = 4u << 20;  // streaming_ack_interval
  Duration ack_progress_timeout = std::chrono::seconds(60);  // streaming_ack_progress_timeout
  Duration read_timeout = std::chrono::seconds(300);         // streaming_read_timeout
};

}  // namespace flare
