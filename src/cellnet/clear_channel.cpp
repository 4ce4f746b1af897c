#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/failure.h"
#include "cellnet/cell_channel.h"

namespace flare {
namespace {

class ClearChannel : public CellChannel {
 public:
  explicit ClearChannel(int socket) : socket_(socket) {}

  Step greet() override { return {Outcome::kMoved}; }

  Step read(std::span<std::byte> room) override {
    const ssize_t count = ::recv(socket_, room.data(), room.size(), 0);
    if (count == 0) return {Outcome::kEnd};
    return step(count, Outcome::kWaitToRead);
  }

  Step write(std::span<const Part> parts) override {
    std::array<iovec, kMostParts> places;
    msghdr message{};
    message.msg_iov = places.data();
    for (const Part &part : parts.first(std::min(parts.size(), kMostParts))) {
      places[message.msg_iovlen++] = {const_cast<std::byte *>(part.data()), part.size()};
    }
    return step(::sendmsg(socket_, &message, MSG_NOSIGNAL), Outcome::kWaitToWrite);
  }

  void finish() override {}

  bool holds_bytes() const override { return false; }

 private:
  static Step step(ssize_t count, Outcome otherwise) {
    if (count >= 0) return {Outcome::kMoved, static_cast<size_t>(count)};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {otherwise};
    throw Failure(FLARE_IO, std::system_category().message(errno));
  }

  int socket_;
};

}  // namespace

std::unique_ptr<CellChannel> make_clear_channel(int socket) { return std::make_unique<ClearChannel>(socket); }

}  // namespace flare
