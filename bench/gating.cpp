// One progress event of an upload through SubmitGate and ResultUploadTracker, by the number of expected pairs (W-27).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "agent/submit_gate.h"

namespace flare {
namespace {

// Refs are UUIDs in production: as long as this, and told apart by some digits.
class Ref {
 public:
  const std::string &numbered(size_t number) {
    for (size_t i = kDigits; i > 0; --i, number /= 16) text_[i] = "0123456789abcdef"[number % 16];
    return text_;
  }

 private:
  static constexpr size_t kDigits = 8;
  std::string text_ = "R00000000-5b0c-4d3e-9d67-1f2e3d4c5b6a";
};

void one_event(benchmark::State &state, bool shuffled) {
  const auto count = static_cast<size_t>(state.range(0));
  SubmitGate gate({});
  gate.begin();
  SubmitGate::Transaction transaction{"T5b0c1f2e-3d4c-4b6a-8d3e-9d671f2e3d4c", {}, 0};
  Ref ref;
  for (size_t i = 0; i < count; ++i) transaction.pairs.push_back({ref.numbered(i), "site-1"});
  gate.on_transaction(transaction);
  gate.on_sent(SubmitGate::Sent::kAccepted, true, {}, 0);

  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (shuffled) std::shuffle(order.begin(), order.end(), std::mt19937_64(1));

  // The event is always the same memory, as one that has just been read is in the cache.
  UploadProgress event;
  event.transaction = transaction.id;
  event.receiver = "site-1";
  event.job = "job";
  event.task = "task";
  size_t next = 0;
  double now = 0;
  const auto report = [&] {
    event.ref.assign(ref.numbered(order[next]));
    now += 1e-6;
    benchmark::DoNotOptimize(gate.on_progress(event, now));
    if (++next == count) {
      next = 0;
      ++event.sequence;
      ++event.bytes;
    }
  };
  for (size_t i = 0; i < count; ++i) report();  // the records are there: what follows is the usual event
  for (auto _ : state) report();
  if (gate.rejected() > 0 || gate.finished()) state.SkipWithError("an event was not accepted");
}

// Receivers fetch the objects of a model one after the other; thousands of them at a time mix them.
void in_order(benchmark::State &state) { one_event(state, false); }
void shuffled(benchmark::State &state) { one_event(state, true); }

BENCHMARK(in_order)->Arg(1)->Arg(1'000)->Arg(100'000);
BENCHMARK(shuffled)->Arg(1)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace flare
