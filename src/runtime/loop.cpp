#include "runtime/loop.h"

#define ASIO_STANDALONE
#define ASIO_NO_DEPRECATED
#include <asio.hpp>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <pthread.h>
#include <signal.h>

#include "base/failure.h"

namespace flare {

struct Loop::State {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> keep_running = asio::make_work_guard(context);
  std::function<void(std::exception_ptr)> on_error;
  std::mutex mutex;  // guards stopped
  bool stopped = false;
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
    if (std::exchange(state_->stopped, true)) return;
    // Behind everything posted so far, so that nobody waits for work that never runs.
    asio::post(state_->context, [this] {
      state_->keep_running.reset();
      state_->context.stop();
    });
  }
  state_->thread.join();
}

namespace {

class AsioAlarm : public Loop::Alarm {
 public:
  AsioAlarm(asio::io_context &context, Loop::Work on_time) : timer_(context), on_time_(std::move(on_time)) {}
  ~AsioAlarm() override { *alive_ = false; }

  void set(std::optional<TimePoint> when) override {
    if (when == when_) return;
    when_ = when;
    if (!when) {
      timer_.cancel();
      return;
    }
    timer_.expires_at(*when);
    timer_.async_wait([this, alive = alive_](const asio::error_code &error) {
      if (error || !*alive) return;
      when_.reset();
      on_time_();
    });
  }

 private:
  asio::steady_timer timer_;
  Loop::Work on_time_;
  std::optional<TimePoint> when_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class AsioWatch : public Loop::Watch {
 public:
  AsioWatch(asio::io_context &context, int fd, Loop::Work on_readable)
      : descriptor_(context, fd), on_readable_(std::move(on_readable)) {
    wait();
  }
  ~AsioWatch() override {
    *alive_ = false;
    descriptor_.release();  // it belongs to somebody else
  }

 private:
  void wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this, alive = alive_](const asio::error_code &error) {
                             if (error || !*alive) return;
                             on_readable_();
                             if (*alive) wait();
                           });
  }

  asio::posix::stream_descriptor descriptor_;
  Loop::Work on_readable_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Loop::Alarm> Loop::make_alarm(Work on_time) {
  return std::make_unique<AsioAlarm>(state_->context, std::move(on_time));
}

std::unique_ptr<Loop::Watch> Loop::make_watch(int fd, Work on_readable) {
  return std::make_unique<AsioWatch>(state_->context, fd, std::move(on_readable));
}

}  // namespace flare
