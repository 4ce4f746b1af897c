// A message as it is written: pieces that are sent one after the other, so that large bytes are not copied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace flare::fobs {

// Bytes between words of ours, which travel as one: so they need not be copied to be together.
struct Joined {
  std::string head;
  Bytes bytes;
  std::string tail;

  uint64_t size() const { return head.size() + bytes.size + tail.size(); }
};

class Pieces {
 public:
  void write(const char *data, size_t size) { words_.append(data, size); }
  void write(std::string_view text) { words_ += text; }
  // Small ones are copied.
  void refer(const Bytes &bytes);
  void refer(const Pieces &pieces);
  void refer(const Joined &joined);
  template <typename Number>
  void big_endian(Number number) {
    for (size_t i = sizeof number; i-- > 0;) words_ += static_cast<char>(number >> (8 * i) & 0xff);
  }
  template <typename Number>
  void little_endian(Number number) {
    for (size_t i = 0; i < sizeof number; ++i) words_ += static_cast<char>(number >> (8 * i) & 0xff);
  }

  uint64_t size() const { return referred_ + words_.size(); }
  std::vector<Bytes> take() &&;
  // All in one block.
  Bytes join() const;

 private:
  void flush();

  std::vector<Bytes> pieces_;
  uint64_t referred_ = 0;  // bytes of pieces_
  std::string words_;      // what comes after them
};

Bytes join(const Joined &joined);

}  // namespace flare::fobs
