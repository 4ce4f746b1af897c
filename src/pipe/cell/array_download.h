// The arrays that one message refers to, downloaded from the cell that has them (DS-21, as the receiver, but several
// requests at once). A state machine: answers and their time in, requests out.
//
// A request names the answer before it, and gets what follows; how much that is the owner says. So that the owner packs
// one answer while another travels, several cursors share the items of a long download: each asks for one stretch, and
// who is done takes over half of what the slowest has left. Asking for what follows the last item tells the owner that
// this receiver has everything: the cursor of the last stretch does that when all others are done.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "flare_agent.h"
#include "fobs/download.h"
#include "fobs/message.h"
#include "fobs/value_read.h"
#include "transfer/download_consumer.h"

namespace flare {

class ArrayDownload {
 public:
  enum class State { kRunning, kComplete, kFailed };

  // To be sent; on_answer() or on_not_sent() follows, with its cursor.
  struct Request {
    size_t cursor;
    std::string fqcn;
    fobs::Message content;
  };

  // Asks for the first arrays at once.
  ArrayDownload(std::vector<fobs::Source> sources, const fobs::ReadRules &rules);

  // What a request came to: NVFlare's return code and the content; "timeout" is one of them, after which the request is
  // made again for a while.
  void on_answer(size_t cursor, std::string_view return_code, const Bytes &content, double now);
  // The request was lost here, with the connection for example: it is made again soon, which is always safe, and counts
  // for nothing.
  void on_not_sent(size_t cursor, double now);
  void fail(flare_status status, const std::string &reason);
  void on_time(double now);
  std::optional<double> deadline() const;

  std::vector<Request> take_requests() { return std::exchange(requests_, {}); }
  State state() const { return state_; }
  flare_status status() const { return status_; }  // of a failure
  const std::string &reason() const { return reason_; }
  fobs::Downloads take_downloads() { return std::move(downloads_); }
  int64_t bytes() const { return bytes_; }

 private:
  struct Cursor {
    Cursor(size_t from, size_t to, bool is_last);

    DownloadConsumer consumer;
    size_t next;           // item
    size_t end;            // where the next cursor's stretch begins; of the last one where they end, as far as is known
    bool last;             // goes on until the owner says that it is the end
    size_t step = 1;       // items of the answer before
    fobs::Object state;    // of the next request
    bool waiting = false;  // for the others, to ask for the end
    bool complete = false;
    std::optional<double> again_at;  // the request that was lost
    fobs::DownloadReply reply;       // being consumed
    uint64_t reply_bytes = 0;
  };

  void ask(size_t index);
  void act();
  void act(size_t index, const DownloadConsumer::Action &action);
  void keep(Cursor *cursor);
  void advance(size_t index);
  void share_out();

  fobs::ReadRules rules_;
  std::optional<fobs::Source> source_;
  std::vector<Cursor> cursors_;
  fobs::Downloads downloads_;
  std::vector<Request> requests_;
  State state_ = State::kRunning;
  flare_status status_ = FLARE_OK;
  std::string reason_;
  int64_t bytes_ = 0;
  uint64_t items_ = 0;
};

}  // namespace flare
