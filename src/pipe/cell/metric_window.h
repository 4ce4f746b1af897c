// Batches of metrics on their way to a peer that takes metrics one by one: only so many are asked at once, so that
// results and arrays always find a place beside them, and what the peer has taken is not sent to it again. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace flare {

class MetricWindow {
 public:
  struct Metric {
    std::string batch;
    size_t index;    // in it
    std::string id;  // of its message, the same each time that it is sent
  };

  explicit MetricWindow(size_t most) : most_(most) {}

  // An attempt to send the batch begins, the first one or another: what of it was not taken before is to be asked. What
  // was still under way is so no more.
  void begin(const std::string &batch, size_t size);
  // The attempt is given up.
  void stop(const std::string &batch);
  void forget(const std::string &batch);

  // The next one to ask for. on_answer() or stop() follows.
  std::optional<Metric> next();

  struct Attempt {
    std::string failure;  // "": all of the batch was taken
  };
  // What became of one, with the reason when it failed; the end of the attempt, when it was the last. After a failure
  // no more of the batch are asked.
  std::optional<Attempt> on_answer(const std::string &batch, size_t index, const std::string &failure);

  size_t under_way() const { return under_way_; }

 private:
  struct Batch {
    std::vector<std::string> ids;
    std::vector<bool> taken;
    std::deque<size_t> waiting;
    size_t under_way = 0;
    std::string failure;
  };

  size_t most_;
  size_t under_way_ = 0;
  std::map<std::string, Batch> batches_;
  std::deque<std::string> turns_;  // of batches with an attempt, in the order of their beginning
};

}  // namespace flare
