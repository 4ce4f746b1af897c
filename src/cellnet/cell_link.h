// A connection to a cell that is made again whenever it is lost: sockets, TLS, time-outs. It finds frames and sends
// them, and knows nothing of what they mean.
//
// It needs to know when a socket can be written to, and the loop only tells of what can be read. So it has an epoll
// descriptor of its own, which can be read exactly when something it waits for has happened: nothing of Asio is seen
// here, and the loop needs no more than it has.
#pragma once

#include <netinet/in.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/time.h"
#include "cellnet/backoff.h"
#include "cellnet/cell_channel.h"
#include "cellnet/cell_limits.h"
#include "cellnet/cell_url.h"
#include "cellnet/farewell.h"
#include "cellnet/frame_parser.h"
#include "cellnet/frame_writer.h"
#include "cellnet/host_lookup.h"
#include "cellnet/sfm_session.h"
#include "runtime/loop.h"

namespace flare {

class CellLinkListener {
 public:
  virtual ~CellLinkListener() = default;
  virtual void on_link_up() = 0;
  // Or it could not be made; it is tried again. One end has `refused` the other: it will again.
  virtual void on_link_down(const std::string &reason, bool refused) = 0;
  // A Failure that it throws ends the connection.
  virtual void on_frame(const Frame &frame) = 0;
  // The next one to send. It is asked only when the last one is gone.
  virtual std::optional<OutFrame> next_frame() = 0;
  // What could be moved for now was moved.
  virtual void on_moved() = 0;
};

// Made, used and destroyed in the loop, and not destroyed by what it calls.
class CellLink {
 public:
  // Without a context in clear.
  CellLink(CellUrl url, std::unique_ptr<TlsContext> tls, const CellLimits &limits, Loop *loop,
           CellLinkListener *listener);
  ~CellLink();

  void open();     // throws Failure(FLARE_IO)
  void wake();     // there may be frames to send
  void settled();  // the cell at the other end is the right one
  // This connection is of no use: on_link_down() is called and another is made.
  void drop(const std::string &reason);
  // What is being sent is in memory of ours from now on: whoever owns the payload may free it.
  void keep_payload();
  // Nothing is called any more. What is being sent and the frames are, if the other end takes them; the destructor
  // waits for that, two seconds at most.
  void close(std::vector<OutFrame> last = {});

 private:
  enum class State { kClosed, kWaiting, kLookingUp, kConnecting, kGreeting, kUp };

  void look_up();
  void try_address();
  void next_address(const std::string &reason);
  void on_event();
  template <typename F>
  void guarded(F &&call);
  void on_looked_up();
  void on_connect_result();
  void greet();
  void move();
  bool read_some();
  bool take_frames();
  void write_some();
  void want(bool to_write);
  void fail(const std::string &reason, bool refused = false);
  void end_lookup();
  void end_socket();
  void shut();

  CellUrl url_;
  std::unique_ptr<TlsContext> tls_;
  Loop *loop_;
  CellLinkListener *listener_;
  Descriptor epoll_;
  std::unique_ptr<Loop::Watch> watch_;
  std::unique_ptr<Loop::Alarm> alarm_;
  State state_ = State::kClosed;
  uint64_t connection_ = 0;  // counts them, to notice that what was called ended this one
  Backoff backoff_;
  std::optional<HostLookup> lookup_;
  std::deque<sockaddr_in> addresses_;
  Descriptor socket_;
  std::unique_ptr<CellChannel> channel_;
  bool wants_to_write_ = false;
  FrameParser parser_;
  std::optional<FrameWriter> sending_;
  std::optional<Farewell> farewell_;
};

}  // namespace flare
