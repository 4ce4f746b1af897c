// The arrays of results that others download: NVFlare's download service (DS-01..DS-20), and what it serves. A state
// machine: requests and their time in, answers and events out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "flare_agent.h"
#include "fobs/download.h"
#include "model/tensor.h"
#include "transfer/chunk.h"
#include "transfer/download_service.h"

namespace flare {

class ArraySource {
 public:
  struct Answer {
    std::string_view return_code;
    std::optional<fobs::Message> content;
    bool has_items = false;  // which lie where the arrays do
    std::string finished;    // the transaction that may be over when this answer has left
  };
  struct Settlement {
    std::string transaction;
    flare_status status = FLARE_OK;  // OK: every receiver has everything
    std::string reason;
  };

  explicit ArraySource(const Limits &limits);

  // A transaction of one ref, which so many receivers download in full; without activity it ends after `timeout`
  // seconds. Throws Failure: FLARE_INVALID_STATE for an id in use, FLARE_TOO_LARGE for too many.
  void add(const std::string &transaction, const std::string &ref, std::vector<Tensor> items, int64_t receivers,
           double timeout, double now);
  // Nothing happens when it is over.
  void cancel(const std::string &transaction, flare_status status, const std::string &reason, double now);

  Answer serve(const fobs::DownloadRequest &request, const std::string &receiver, double now);
  // An answer that may finish it has left.
  void on_left(const std::string &transaction, double now);

  // A transaction whose last answer never left is found as NVFlare finds it, at the next look.
  void on_time(double now);
  std::optional<double> deadline() const;

  // In order: all progress of a transaction comes before its settlement.
  std::vector<TransferEvent> take_progress();
  std::vector<Settlement> take_settled();
  size_t live() const { return arrays_.size(); }

 private:
  struct Arrays {
    std::string ref;
    std::vector<Tensor> items;
    std::optional<Settlement> cancelled;
  };

  DownloadService::Produced produce(const Arrays &arrays, const fobs::Object &state, fobs::DownloadReply *reply) const;
  void act(double now);
  void settle(const TransferOutcome &outcome);

  DownloadService service_;
  std::map<std::string, Arrays> arrays_;  // by transaction
  std::optional<double> next_look_;       // while there is one
  std::vector<TransferEvent> progress_;
  std::vector<Settlement> settled_;
};

}  // namespace flare
