#include "cellnet/farewell.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <exception>
#include <system_error>
#include <utility>

#include "base/time.h"
#include "runtime/signals_blocked.h"

namespace flare {
namespace {

constexpr Duration kLongest = std::chrono::seconds(2);

}  // namespace

Farewell::Farewell(Descriptor socket, std::unique_ptr<CellChannel> channel, std::vector<FrameWriter> frames)
    : socket_(std::move(socket)), channel_(std::move(channel)), frames_(std::move(frames)) {
  try {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error &) {
    run();  // no thread to be had
  }
}

Farewell::~Farewell() {
  if (thread_.joinable()) thread_.join();
}

void Farewell::run() noexcept {
  const TimePoint until = Clock::now() + kLongest;
  try {
    bool said = false;
    while (read()) {
      if (!said && (said = say())) {
        channel_->finish();
        ::shutdown(socket_.get(), SHUT_WR);
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd wanted{socket_.get(), static_cast<short>(wants_to_write_ ? POLLIN | POLLOUT : POLLIN), 0};
      if (left <= 0 || ::poll(&wanted, 1, static_cast<int>(left)) <= 0) break;
    }
  } catch (const std::exception &) {
    // The other end is gone.
  }
  // For children of this process, too, which have the socket as well.
  ::shutdown(socket_.get(), SHUT_RDWR);
}

bool Farewell::say() {
  while (said_ < frames_.size()) {
    const CellChannel::Outcome outcome = frames_[said_].write(channel_.get()).outcome;
    wants_to_write_ = outcome == CellChannel::Outcome::kWaitToWrite;
    if (outcome != CellChannel::Outcome::kMoved) return false;
    if (frames_[said_].done()) ++said_;
  }
  return true;
}

bool Farewell::read() {
  std::array<std::byte, 16384> unwanted;
  for (;;) {
    const CellChannel::Outcome outcome = channel_->read(unwanted).outcome;
    if (outcome != CellChannel::Outcome::kMoved) return outcome != CellChannel::Outcome::kEnd;
  }
}

}  // namespace flare
