#include "runtime/loop.h"

#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#include <asio.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>
#include <signal.h>

#include "base/failure.h"

namespace flare {

struct Loop::State {
  asio::io_context context;  // its hint for one thread would let others' posts overtake those of the loop
  asio::executor_work_guard<asio::io_context::executor_type> keep_running = asio::make_work_guard(context);
  std::function<void(std::exception_ptr)> on_error;
  std::mutex mutex;  // guards stopped
  bool stopped = false;
  std::mutex join_mutex;  // held while the thread ends, so that every stop() returns after its end
  std::thread thread;

  void run() {
    for (;;) {
      try {
        context.run();
        return;
      } catch (...) {
        on_error(std::current_exception());
      }
    }
  }
};

Loop::Loop(const char *thread_name, std::function<void(std::exception_ptr)> on_error)
    : state_(std::make_unique<State>()) {
  state_->on_error = std::move(on_error);
  // A new thread inherits the mask: signals are for the user's threads.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    state_->thread = std::thread([state = state_.get()] { state->run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(state_->thread.native_handle(), thread_name);
}

Loop::~Loop() { stop(); }

void Loop::post(Work work) {
  std::lock_guard lock(state_->mutex);
  if (!state_->stopped) asio::post(state_->context, std::move(work));
}

void Loop::run_and_wait(Work work) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::exception_ptr error;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopped) throw Failure(FLARE_STOPPED, "the loop was stopped");
    asio::post(state_->context, [&] {
      try {
        work();
      } catch (...) {
        error = std::current_exception();
      }
      std::lock_guard finished(mutex);
      done = true;
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
  if (error) std::rethrow_exception(error);
}

void Loop::stop() {
  {
    std::lock_guard lock(state_->mutex);
    // Behind everything posted so far, so that nobody waits for work that never runs.
    if (!std::exchange(state_->stopped, true)) asio::post(state_->context, [this] { state_->context.stop(); });
  }
  if (in_loop()) return;
  std::lock_guard lock(state_->join_mutex);
  if (state_->thread.joinable()) state_->thread.join();
}

bool Loop::in_loop() const { return state_->context.get_executor().running_in_this_thread(); }

namespace {

// What a callback needs is held apart from the alarm or watch, which may end while its callback runs.

class AsioAlarm : public Loop::Alarm {
 public:
  AsioAlarm(asio::io_context &context, Loop::Work on_time)
      : timer_(context), core_(std::make_shared<Core>(Core{std::move(on_time), std::nullopt})) {}

  void set(std::optional<TimePoint> when) override {
    if (when == core_->when) return;
    core_->when = when;
    if (!when) {
      timer_.cancel();
      return;
    }
    timer_.expires_at(*when);
    timer_.async_wait([weak = std::weak_ptr(core_), when](const asio::error_code &error) {
      const auto core = weak.lock();
      // Cancelling comes too late for a wait that is over and in the queue: its time tells.
      if (error || !core || core->when != when) return;
      core->when.reset();
      core->on_time();
    });
  }

 private:
  struct Core {
    Loop::Work on_time;
    std::optional<TimePoint> when;
  };

  asio::steady_timer timer_;
  std::shared_ptr<Core> core_;
};

class AsioWatch : public Loop::Watch {
 public:
  AsioWatch(asio::io_context &context, int fd, Loop::Work on_readable)
      : descriptor_(context, fd), core_(std::make_shared<Core>(Core{std::move(on_readable)})) {
    wait();
  }
  ~AsioWatch() override {
    core_->ended = true;
    descriptor_.release();  // it belongs to somebody else
  }

 private:
  struct Core {
    Loop::Work on_readable;
    bool ended = false;
  };

  void wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, weak = std::weak_ptr(core_)](const asio::error_code &error) {
                             const auto core = weak.lock();
                             if (!core) return;
                             if (error) throw std::system_error(error, "watching a descriptor");
                             call(*core);
                           });
  }

  void call(const Core &core) {
    try {
      core.on_readable();
    } catch (...) {
      if (!core.ended) wait();
      throw;
    }
    if (!core.ended) wait();
  }

  asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<Loop::Alarm> Loop::make_alarm(Work on_time) {
  return std::make_unique<AsioAlarm>(state_->context, std::move(on_time));
}

std::unique_ptr<Loop::Watch> Loop::make_watch(int fd, Work on_readable) {
  return std::make_unique<AsioWatch>(state_->context, fd, std::move(on_readable));
}

}  // namespace flare
