// The owner's side of transfers: keeps the objects of live transactions, serves chunks of them, and tells how far each
// receiver is. No threads, no sockets, no clock: it never gives up by itself; whoever watches the events does.
// Receivers are named by text; the one unnamed receiver (VD-01) is "".
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "flare_agent.h"
#include "transfer/chunk.h"

namespace flare {

class ChunkService {
 public:
  // What happened to a transaction; settled exactly once.
  struct Settlement {
    std::string transaction;
    flare_status status = FLARE_OK;  // OK: every receiver has everything; ABORTED: one gave up; or that of a cancel
    std::string reason;              // for the error of whoever waits
  };

  explicit ChunkService(const Limits &limits) : limits_(limits) {}

  // A new transaction. Throws Failure(FLARE_INVALID_STATE) for an id in use and FLARE_TOO_LARGE beyond
  // limits.max_transactions. `receivers` empty means the one unnamed receiver.
  void add(const std::string &transaction, std::vector<Bytes> objects, std::vector<std::string> receivers);

  // The bytes asked for, or nullopt with `refusal` saying why: unknown transaction (never was, or is over),
  // unknown object, or a range outside of it. The first request of a receiver is its start; how far it is it says
  // itself, as what is served may still be on its way for long.
  std::optional<Bytes> serve(const ChunkRequest &request, const std::string &receiver, std::string *refusal);

  // A receiver says how far it is: never back, and not beyond what there is. Returns false, and changes nothing, for an
  // unknown transaction or receiver, one that is done, or impossible numbers.
  bool report(const std::string &transaction, const std::string &receiver, int64_t bytes, int64_t items);

  // A receiver says that it has everything, or that it gave up. The first word of a receiver counts; unknown
  // transactions and receivers are ignored. Returns whether the word was known (also a repeated one), so that it
  // can be acknowledged. The transaction is settled with the word of its last receiver.
  bool confirm(const std::string &transaction, const std::string &receiver, bool success, const std::string &reason);

  // Ends a live transaction with this status; nothing happens when it is over.
  void cancel(const std::string &transaction, flare_status status, const std::string &reason);
  void cancel_all(flare_status status, const std::string &reason);

  // What happened since the last call, in order: all progress of a transaction comes before its settlement. The objects
  // of a settled transaction are released.
  std::vector<TransferEvent> take_progress();
  std::vector<Settlement> take_settled();

  size_t live() const { return transactions_.size(); }

 private:
  struct Receiver {
    int64_t bytes = 0;
    int64_t items = 0;
    int64_t events = 0;
    TransferState state = TransferState::kActive;
  };
  struct Transaction {
    std::vector<Bytes> objects;
    std::map<std::string, Receiver> receivers;
    int64_t bytes_per_receiver = 0;
    std::string failure;  // in the words of the first receiver that gave up
  };

  using Position = std::map<std::string, Transaction>::iterator;

  void tell(const std::string &transaction, const std::string &name, Receiver *receiver, const std::string &reason);
  void settle(Position position, flare_status status, const std::string &reason);

  Limits limits_;
  std::map<std::string, Transaction> transactions_;
  std::vector<TransferEvent> told_;
  std::vector<Settlement> settled_;
  std::set<std::string> over_;  // settled transactions, at most limits.max_outcomes
  std::deque<std::string> over_order_;
};

}  // namespace flare
