// The receiver's side of a download by the rules of NVFlare (DS-21): asks for one chunk after the other, tries again
// when nothing is answered, and confirms what came of it. A state machine: events with their time in, actions out. What
// a chunk is, and what the state says that travels with each request, is the business of both ends' encodings.
//
// Times are seconds on one monotonic clock (transfer/transfer_record.h says why).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "transfer/transfer_outcome.h"

namespace flare {

class DownloadConsumer {
 public:
  struct Options {
    bool confirm_capable = true;
    bool unchanged_state = false;  // the consumer promises not to change it: the next chunk is asked for beforehand
    int max_retries = 3;           // of one request
    double first_backoff = 2;      // doubled each time, up to
    double longest_backoff = 60;
  };

  // ---- Actions, in order ----
  struct Request {
    std::optional<std::string> state;  // nullopt: the first
    bool confirm_capable;
  };
  struct Consume {  // the data of the reply; call on_consumed()
    std::string state;
  };
  struct Completed {};  // tell the consumer that all is there; call on_completed()
  struct Confirm {
    DownloadStatus status;
    std::string nonce;
  };
  struct Failed {  // tell the consumer; the end
    std::string reason;
  };
  struct Done {};  // the end
  using Action = std::variant<Request, Consume, Completed, Confirm, Failed, Done>;

  struct Reply {
    enum class What { kData, kEof, kError } what = What::kData;
    std::string state;                 // with data
    std::optional<std::string> nonce;  // a confirmation is expected
  };

  explicit DownloadConsumer(const Options &options) : options_(options) {}

  void begin();
  void on_reply(Reply reply);
  void on_timeout(double now);                 // nobody answered the request
  void on_refused(const std::string &reason);  // any other code than OK
  // The consumer took the data; nullopt: it failed, or gave no state back.
  void on_consumed(const std::optional<std::string> &next_state);
  void on_completed(bool success);
  void abort(const std::string &reason);

  void on_time(double now);
  std::optional<double> deadline() const { return retry_at_; }
  std::vector<Action> take_actions();
  bool over() const { return over_; }

 private:
  void request(std::optional<std::string> state);
  void take(Reply reply);
  void fail(const std::string &reason);
  void confirm(bool success);

  Options options_;
  std::optional<std::string> state_;  // of the request under way, or to be made again
  // What is awaited; an event that is not is none of ours: the answer to a request that was given up, for example.
  bool asked_ = false, consuming_ = false, completing_ = false;
  std::optional<std::string> promised_;  // the state that the consumer has to give back
  std::optional<Reply> early_;           // came while the chunk before it was consumed
  std::optional<std::string> nonce_;
  int retries_ = 0;
  std::optional<double> retry_at_;
  bool over_ = false;
  std::vector<Action> actions_;
};

}  // namespace flare
