// The context of the raw contenders. It ends with the process: libzmq may wait for ever for the end of a context that
// both sides end at once.
#pragma once

#include <zmq.hpp>

namespace flare::bench {

inline zmq::context_t &context_of_process() {
  static auto *const context = new zmq::context_t(1);
  return *context;
}

}  // namespace flare::bench
