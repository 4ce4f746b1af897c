// The rules of one connection between two cells: HELLO and READY, PING and PONG, and the numbers of frames. Bytes and
// time in, frames out; it owns no socket and no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/chain.h"
#include "base/time.h"
#include "cellnet/cell_limits.h"
#include "cellnet/cell_message.h"
#include "cellnet/frame_parser.h"

namespace flare {

// A frame on its way out: what goes before the payload, and the payload where it lies.
struct OutFrame {
  std::string head;
  Chain payload;
};

class SfmSession {
 public:
  struct Options {
    std::string fqcn;           // ours
    std::string expected_peer;  // "": whoever is there
    Duration handshake_timeout = std::chrono::seconds(10);
    // A connection on which nothing came for so long is asked whether it lives; NVFlare does the same. It is given up
    // after three times that: TCP alone says nothing of a peer whose machine is gone.
    Duration ping_after = std::chrono::seconds(60);
  };

  // ---- What a frame was ----
  struct Ready {  // messages can be sent now, to the cell `peer` or through it
    std::string peer;
  };
  struct Complaint {  // it was of no use; the connection goes on
    std::string text;
  };
  struct Nothing {};
  using Received = std::variant<Nothing, Ready, CellMessage, Complaint>;  // the payload is a view, as that of the frame

  SfmSession(Options options, const CellLimits &limits) : options_(std::move(options)), limits_(limits) {}

  // A new connection is there: HELLO goes out.
  void on_connected(TimePoint now);
  void on_disconnected();

  // Throws Failure(FLARE_PROTOCOL) when the connection is of no use, Failure(FLARE_REFUSED) when the cell at its other
  // end is not the one it should be.
  Received on_frame(const Frame &frame, TimePoint now);

  bool ready() const { return !peer_.empty(); }
  bool greeting() const { return connected_ && !ready(); }
  const std::string &peer() const { return peer_; }

  // The frames of the connection itself, to go before all others.
  std::optional<OutFrame> take_frame(double wall_time);
  // Throws Failure(FLARE_TOO_LARGE) for headers beyond what a frame can have.
  OutFrame encode(const AddressedMessage &message);

  // Why the connection must be given up, when it must.
  std::optional<std::string> on_time(TimePoint now);
  std::optional<TimePoint> deadline() const;

 private:
  Received on_greeting(const Frame &frame);
  OutFrame make_frame(uint8_t type, uint16_t app_id, uint16_t stream_id, std::string_view headers, Chain payload);
  uint16_t next_stream_id() { return ++stream_id_; }

  Options options_;
  CellLimits limits_;
  bool connected_ = false;
  std::string peer_;  // "" until READY came
  TimePoint connected_at_{};
  TimePoint last_heard_{};
  std::optional<TimePoint> last_ping_;  // since something was heard
  bool hello_due_ = false;
  bool ping_due_ = false;
  size_t pongs_due_ = 0;
  uint16_t sequence_ = 0;
  uint16_t stream_id_ = 16;
};

}  // namespace flare
