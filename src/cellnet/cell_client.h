// A cell of ours on the network: the link, the session and the streams put together, in a loop. It is the driver that
// hands bytes, calls and time to what decides, and what comes of it to the listener.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "cellnet/cell_calls.h"
#include "cellnet/cell_link.h"
#include "cellnet/sfm_session.h"
#include "cellnet/stream_cell.h"
#include "runtime/loop.h"

namespace flare {

class CellClientListener {
 public:
  virtual ~CellClientListener() = default;
  virtual void on_connected(const std::string &peer) = 0;
  // What was under way has failed, and was told of before. Also when a connection cannot be made, each time; one end
  // may have `refused` the other, for its name or its certificate.
  virtual void on_disconnected(const std::string &reason, bool refused) = 0;
  virtual void on_event(StreamCell::Event event) = 0;
};

// Made, used and destroyed in the loop, and not destroyed by what it calls, which is never from within its functions.
class CellClient : public CellCalls, private CellLinkListener {
 public:
  struct Options {
    CellIdentity identity;
    std::string url;
    CellSecurity security = CellSecurity::kClear;  // more when the URL asks for it
    TlsFiles tls;                                  // when it is not kClear
    std::string expected_peer;                     // the cell that should be there; "": any
    std::set<std::string, std::less<>> channels;
    BlobPlaces places;
    CellLimits limits;
  };

  // Throws Failure(FLARE_INVALID_ARGUMENT) for an address or files that cannot be right.
  CellClient(const Options &options, Loop *loop, CellClientListener *listener);
  ~CellClient() override;

  void open();  // throws Failure(FLARE_IO)

  std::string request(Blob blob, Duration timeout) override;
  void cancel(const std::string &request_id, const std::string &reason) override;
  int64_t answer(const StreamCell::Received &question, std::string_view return_code, Blob blob) override;
  void refuse(const StreamCell::Received &question, const std::string &reason) override;
  void stop(int64_t stream_id, const std::string &reason) override;
  std::string ask_peers(const std::string &cell, Duration timeout);  // as StreamCell's
  int64_t notify(Blob blob) override;

  // Nothing is called any more, and what lies in memory of others is not touched any more. Blobs of one chunk and bye
  // are still sent, if the other end takes them; the destructor waits for that, two seconds at most.
  void close();

 private:
  struct Connected {
    std::string peer;
  };
  struct Disconnected {
    std::string reason;
    bool refused;
  };
  using News = std::variant<Connected, Disconnected, StreamCell::Event>;

  void on_link_up() override;
  void on_link_down(const std::string &reason, bool refused) override;
  void on_frame(const Frame &frame) override;
  std::optional<OutFrame> next_frame() override;
  void on_moved() override { pump(); }

  void pump_soon();
  void pump();
  void deliver_due();
  void collect();
  void deliver(News news);
  void on_time();
  std::vector<OutFrame> last_words();

  Loop *loop_;
  CellClientListener *listener_;
  SfmSession session_;
  StreamCell cell_;
  CellLink link_;
  std::unique_ptr<Loop::Alarm> alarm_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // for what is posted
  bool closed_ = false;
  bool pump_posted_ = false;
  bool pumping_ = false;
  std::deque<News> news_;  // for the listener
};

}  // namespace flare
