// The words that both ends of a transfer share. A transaction is a list of objects; an object is a run of bytes
// fetched in chunks. Objects are numbered from 0 in their transaction.
#pragma once

#include <cstdint>
#include <string>

#include "transfer/transfer_record.h"

namespace flare {

struct ChunkRequest {
  std::string transaction;
  uint32_t object = 0;
  uint64_t offset = 0;
  uint32_t length = 0;
};

struct TransferProgress {
  int64_t bytes_total = 0;
  int64_t bytes_done = 0;
  int64_t items_total = 0;  // objects
  int64_t items_done = 0;
};

// How far one receiver of a transaction is, as its owner sees it.
struct TransferEvent {
  std::string transaction;
  std::string receiver;  // "": the one that has no name
  int64_t sequence = 0;  // counts the events of this receiver from 1
  int64_t bytes = 0;
  int64_t items = 0;
  TransferState state = TransferState::kActive;
  std::string reason;  // of a failure, in the receiver's words
};

}  // namespace flare
