// What befalls one direction of a connection that speaks ZMTP 3, the wire of ZeroMQ. Bytes and the time in, bytes out:
// no sockets, no clock. It knows where messages begin and end, and nothing of what they mean.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>

namespace flare_test {

// Each the chance of a ZeroMQ message; the handshake is left alone, as its loss is a connection that never was.
struct FaultRates {
  double drop = 0;
  double duplicate = 0;
  double reorder = 0;        // it changes places with the next one
  double flip_payload = 0;   // a bit of its second frame
  double flip_envelope = 0;  // a bit of its first frame
  double flip_framing = 0;   // a bit of a frame's flags or size
  double lose_bytes = 0;     // up to 100 bytes out of its middle: no network does it, and it must not pass in silence
  std::chrono::milliseconds shortest_delay{0}, longest_delay{0};  // of all bytes; their order is kept
};

struct FaultCounts {
  int64_t dropped = 0, duplicated = 0, reordered = 0, payloads = 0, envelopes = 0, framings = 0, lost = 0, delayed = 0;
  int64_t sum() const { return dropped + duplicated + reordered + payloads + envelopes + framings + lost + delayed; }
  FaultCounts &operator+=(const FaultCounts &more);
};

class StreamFaults {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit StreamFaults(uint64_t seed) : random_(seed) {}

  void set(const FaultRates &rates) { rates_ = rates; }  // for messages to come
  void on_bytes(const char *data, size_t size, Time now);
  // Appends what has to be sent by now.
  void take(Time now, std::string *out);
  // When there is more to take, if nothing comes; nullopt: nothing is left.
  std::optional<Time> next() const;
  size_t size() const { return waiting_bytes_ + held_.size(); }
  const FaultCounts &counts() const { return counts_; }

 private:
  struct Waiting {
    Time due;
    std::string bytes;
  };

  bool happens(double chance);
  uint64_t below(uint64_t bound);
  void flip(std::string *bytes, size_t first, size_t size);
  void befall(Time now);
  void emit(std::string bytes, Time now);

  std::mt19937_64 random_;
  FaultRates rates_;
  FaultCounts counts_;
  size_t greeting_left_ = 64;  // ZMTP 3: a greeting of fixed size, then frames
  std::string in_;             // not yet a whole frame
  std::string message_;        // its frames so far
  size_t first_body_ = 0, first_size_ = 0, last_body_ = 0, last_size_ = 0, frames_ = 0;
  std::string held_;  // waits for another message to overtake it
  Time held_until_{};
  std::deque<Waiting> waiting_;
  size_t waiting_bytes_ = 0;
  Time last_due_{};
};

}  // namespace flare_test
