#include "stream_faults.h"

#include <algorithm>
#include <utility>

namespace flare_test {

namespace {

constexpr unsigned char kMore = 1, kLongSize = 2, kCommand = 4;
// How long a message waits for another one to overtake it.
constexpr auto kOvertaking = std::chrono::milliseconds(50);

uint64_t big_endian(const char *data, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(data[i]);
  return value;
}

}  // namespace

FaultCounts &FaultCounts::operator+=(const FaultCounts &more) {
  dropped += more.dropped;
  duplicated += more.duplicated;
  reordered += more.reordered;
  payloads += more.payloads;
  envelopes += more.envelopes;
  framings += more.framings;
  lost += more.lost;
  delayed += more.delayed;
  return *this;
}

uint64_t StreamFaults::below(uint64_t bound) { return random_() % bound; }

bool StreamFaults::happens(double chance) {
  return chance > 0 && static_cast<double>(random_() >> 11) < chance * 9007199254740992.0;  // of 2^53
}

void StreamFaults::flip(std::string *bytes, size_t first, size_t size) {
  char &byte = (*bytes)[first + below(size)];
  byte = static_cast<char>(byte ^ (1 << below(8)));
}

void StreamFaults::on_bytes(const char *data, size_t size, Time now) {
  const size_t greeting = std::min(greeting_left_, size);
  greeting_left_ -= greeting;
  if (greeting > 0) emit(std::string(data, greeting), now);
  in_.append(data + greeting, size - greeting);
  size_t begin = 0;
  while (in_.size() - begin >= 2) {
    const auto flags = static_cast<unsigned char>(in_[begin]);
    const size_t header = (flags & kLongSize) != 0 ? 9 : 2;
    if (in_.size() - begin < header) break;
    const uint64_t body = big_endian(in_.data() + begin + 1, header - 1);
    if (in_.size() - begin - header < body) break;
    const size_t frame = header + static_cast<size_t>(body);
    if ((flags & kCommand) != 0) {
      emit(in_.substr(begin, frame), now);
    } else {
      last_body_ = message_.size() + header;
      last_size_ = static_cast<size_t>(body);
      if (++frames_ == 1) {
        first_body_ = last_body_;
        first_size_ = last_size_;
      }
      message_.append(in_, begin, frame);
      if ((flags & kMore) == 0) befall(now);
    }
    begin += frame;
  }
  in_.erase(0, begin);
}

void StreamFaults::befall(Time now) {
  std::string message = std::exchange(message_, {});
  const bool payload = std::exchange(frames_, 0) > 1 && last_size_ > 0;
  if (happens(rates_.drop)) {
    ++counts_.dropped;
    return;
  }
  if (payload && happens(rates_.flip_payload)) {
    ++counts_.payloads;
    flip(&message, last_body_, last_size_);
  }
  if (first_size_ > 0 && happens(rates_.flip_envelope)) {
    ++counts_.envelopes;
    flip(&message, first_body_, first_size_);
  }
  if (happens(rates_.flip_framing)) {
    ++counts_.framings;
    flip(&message, 0, first_body_);
  }
  if (happens(rates_.lose_bytes)) {
    ++counts_.lost;
    message.erase(below(message.size()), 1 + below(100));
  }
  if (held_.empty() && happens(rates_.reorder)) {
    ++counts_.reordered;
    held_ = std::move(message);
    held_until_ = now + kOvertaking;
    return;
  }
  if (happens(rates_.duplicate)) {
    ++counts_.duplicated;
    emit(message, now);
  }
  emit(std::move(message), now);
  if (!held_.empty()) emit(std::exchange(held_, {}), now);
}

void StreamFaults::emit(std::string bytes, Time now) {
  Time due = now;
  if (rates_.longest_delay.count() > 0) {
    const auto range = static_cast<uint64_t>((rates_.longest_delay - rates_.shortest_delay).count());
    due += rates_.shortest_delay + std::chrono::milliseconds(below(range + 1));
    ++counts_.delayed;
  }
  last_due_ = std::max(last_due_, due);
  waiting_bytes_ += bytes.size();
  waiting_.push_back({last_due_, std::move(bytes)});
}

void StreamFaults::take(Time now, std::string *out) {
  if (!held_.empty() && now >= held_until_) emit(std::exchange(held_, {}), now);
  while (!waiting_.empty() && waiting_.front().due <= now) {
    waiting_bytes_ -= waiting_.front().bytes.size();
    out->append(waiting_.front().bytes);
    waiting_.pop_front();
  }
}

std::optional<StreamFaults::Time> StreamFaults::next() const {
  std::optional<Time> next;
  if (!waiting_.empty()) next = waiting_.front().due;
  if (!held_.empty()) next = next ? std::min(*next, held_until_) : held_until_;
  return next;
}

}  // namespace flare_test
