// Answers with the arrays of our results, to whoever downloads them, until they have left.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/limits.h"
#include "base/time.h"
#include "cellnet/cell_calls.h"
#include "pipe/cell/array_source.h"

namespace flare {

class ArrayAnswers {
 public:
  ArrayAnswers(const Limits &limits, ArraySource *source, CellCalls *cell)
      : limits_(limits), source_(source), cell_(cell) {}

  // The bytes of the answer. Throws Failure for what is no such request, std::bad_alloc.
  int64_t serve(const StreamCell::Received &received, TimePoint now);
  void on_sent(const StreamCell::Sent &sent, TimePoint now);
  // Nothing that is on its way refers to these arrays any more.
  void take_back(const std::string &transaction);

 private:
  struct Leaving {
    std::string transaction;  // that may be over when it is sent
    bool has_arrays;
  };

  Limits limits_;
  ArraySource *source_;
  CellCalls *cell_;
  std::map<int64_t, Leaving> leaving_;  // by their stream
};

}  // namespace flare
