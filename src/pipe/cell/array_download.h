// The arrays that one message refers to, downloaded from the cells that have them (DS-21, as the receiver). A state
// machine: answers and their time in, requests out.
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

  // To be sent as a request with this source as its number; on_answer() or on_timeout() follows.
  struct Request {
    size_t source;
    std::string fqcn;
    fobs::Message content;
  };

  // Asks for the first arrays of each source at once.
  ArrayDownload(std::vector<fobs::Source> sources, const fobs::ReadRules &rules);

  // What a request came to: NVFlare's return code and the content; "timeout" is one of them, after which the request is
  // made again for a while.
  void on_answer(size_t source, std::string_view return_code, const Bytes &content, double now);
  // The request was lost here, with the connection for example: it is made again soon, which is always safe, and counts
  // for nothing.
  void on_not_sent(size_t source, double now);
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
  struct Part {
    fobs::Source source;
    DownloadConsumer consumer;
    fobs::Object state;         // of the next request
    fobs::DownloadReply reply;  // being consumed
    uint64_t reply_bytes = 0;
    bool complete = false;
    std::optional<double> again_at;  // the request that was lost
  };

  void ask(size_t index);
  void act();
  void act(size_t index, const DownloadConsumer::Action &action);
  void keep(Part *part);

  fobs::ReadRules rules_;
  std::vector<Part> parts_;
  fobs::Downloads downloads_;
  std::vector<Request> requests_;
  State state_ = State::kRunning;
  flare_status status_ = FLARE_OK;
  std::string reason_;
  int64_t bytes_ = 0;
  uint64_t items_ = 0;
};

}  // namespace flare
