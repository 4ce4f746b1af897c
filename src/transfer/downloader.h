// The receiver's side of one transfer: which chunks to ask for next, where each belongs, and when it is whole.
// No threads, no sockets, no clock. Destinations are allocated before the first byte comes, after all sizes were
// checked against the limits.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/block_pool.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/time.h"
#include "flare_agent.h"
#include "transfer/chunk.h"

namespace flare {

class Downloader {
 public:
  enum class State { kRunning, kComplete, kFailed };
  enum class Verdict { kStored, kRepeated, kCorrupt, kUnexpected };

  // Throws Failure(FLARE_TOO_LARGE) when sizes are beyond the limits. `idle_timeout` nullopt: never stalls.
  // When nothing comes for `retry_after`, all outstanding chunks are asked for again, and later each time; on a slow
  // link also later. Memory comes from the pool, if there is one. While chunks come, the others are on their way: asked
  // for again, they would only fill the link.
  Downloader(std::string transaction, std::vector<uint64_t> sizes, std::optional<Duration> idle_timeout,
             Duration retry_after, const Limits &limits, TimePoint now, BlockPool *pool = nullptr);

  // The requests to send now: fills the window of limits.chunk_window outstanding chunks.
  std::vector<ChunkRequest> take_requests(TimePoint now);

  // How far it is, for the owner: when there is news, and no more often than anybody needs to know.
  std::optional<TransferProgress> take_report(TimePoint now);

  // A chunk arrived: verified against what was asked for and its checksum, then copied to its place. A corrupt
  // one is asked for again (a few times, then the transfer fails with FLARE_PROTOCOL naming the object).
  Verdict on_chunk(uint32_t object, uint64_t offset, const void *data, size_t size, uint64_t checksum, TimePoint now);

  // The owner refused a chunk or gave the transaction up: the transfer failed.
  void on_refused(flare_status status, const std::string &reason);

  // The connection is another one: whatever was outstanding is asked for again; what is here stays.
  void on_reconnected(TimePoint now);
  // The connection is gone: stop asking, and let no time-out run until on_reconnected.
  void on_disconnected();

  void on_time(TimePoint now);
  std::optional<TimePoint> deadline() const;

  const std::string &transaction() const { return transaction_; }
  State state() const { return state_; }
  flare_status status() const { return status_; }  // why it failed
  const std::string &reason() const { return reason_; }
  TransferProgress progress() const;

  // Once complete.
  std::vector<Bytes> take_objects();

 private:
  struct Outstanding {
    uint32_t length;
    int corrupt;
  };
  using Position = std::pair<uint32_t, uint64_t>;  // object, offset

  void fail(flare_status status, const std::string &reason);
  void skip_to_next();
  void ask_again();

  std::string transaction_;
  std::vector<Block> blocks_;
  std::optional<Duration> idle_timeout_;
  Duration retry_after_;
  Duration patience_;  // retry_after_, or more when the owner is slow or silent
  Limits limits_;
  bool connected_ = true;
  Position next_{0, 0};                         // the first chunk never asked for
  std::deque<std::pair<Position, int>> again_;  // to be asked for again, with how often it was corrupt
  std::map<Position, Outstanding> outstanding_;
  std::vector<uint64_t> received_;  // bytes per object
  TimePoint last_progress_;
  TimePoint last_heard_;  // when anything came, be it repeated or corrupt
  TimePoint retry_at_;    // unless anything comes before
  uint64_t bytes_total_ = 0;
  uint64_t bytes_done_ = 0;
  uint64_t bytes_reported_ = 0;
  TimePoint reported_at_;
  size_t items_done_ = 0;
  State state_ = State::kRunning;
  flare_status status_ = FLARE_OK;
  std::string reason_;
};

}  // namespace flare
