#include "capi/process_id.h"

#include <atomic>

#include <pthread.h>
#include <unistd.h>

namespace flare {

pid_t process_id() noexcept {
  static std::atomic<pid_t> id;
  static const bool told_of_forks = [] {
    id = ::getpid();
    return ::pthread_atfork(nullptr, nullptr, [] { id = ::getpid(); }) == 0;
  }();
  return told_of_forks ? id.load(std::memory_order_relaxed) : ::getpid();
}

}  // namespace flare
