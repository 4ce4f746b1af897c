// The peer of an agent: what NVFlare's TaskExchanger does (TX rules), as far as no wire and no NVFlare is in it.
// One task is in the agent's hands at a time; the next is handed over once the agent has answered. User threads
// call the public functions; the pipe lives in the loop thread; one mutex guards what both touch.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "config/rendezvous.h"
#include "config/settings.h"
#include "config/written_profile.h"
#include "exchanger/task_patience.h"
#include "pipe/metric.h"
#include "pipe/outcome.h"
#include "pipe/zmq/frame_pipe.h"
#include "runtime/level_fd.h"
#include "runtime/log.h"
#include "runtime/loop.h"

namespace flare {

// A task on its way. Guarded by the exchanger's mutex once it is sent, but for the descriptor.
struct Request {
  enum class State { kDraft, kQueued, kSent, kDone };

  LevelFd done_fd;
  std::string task_name;
  std::string id;
  std::string message_id;  // of its own: a task id may be sent again while the agent remembers the message before
  int64_t attempt = 1;
  State state = State::kDraft;
  bool lent = false;
  std::vector<std::string> receivers;  // of the result (AG-10); this exchanger is the first
  MessagePtr task;
  std::optional<TaskPatience> patience;  // while the agent has to fetch it
  bool receiving = false;                // the reply was accepted and its tensors are being fetched
  Outcome outcome;
  MessagePtr reply;
};

class Exchanger : private PipeListener {
 public:
  static std::shared_ptr<Exchanger> open(const Resolved &resolved);
  ~Exchanger() override;

  const Settings &settings() const { return settings_; }
  const std::string &url() const { return url_; }

  void stop();
  void close();
  Outcome end(const std::string &reason);
  Outcome abort(const std::string &reason);
  Outcome wait_connected(int64_t timeout_ms);
  flare_state state() const;

  // The request is a draft until it says OK. `content` gets the task's headers. Throws Failure for what no agent would
  // take.
  Outcome send(const std::shared_ptr<Request> &request, Shareable content, bool lent);
  Outcome wait(Request &request, int64_t timeout_ms, MessagePtr *reply);
  void abort(const std::shared_ptr<Request> &request, const std::string &reason);
  // Tells the agent about another receiver of this reply.
  Outcome report(const Message &reply, const std::string &receiver, int64_t bytes);
  Outcome confirm(const Message &reply, const std::string &receiver, bool success, const std::string &reason);

  Outcome next_metric(int64_t timeout_ms, Metric *metric);
  int metric_fd() const { return metric_fd_.get(); }
  int connected_fd() const { return connected_fd_.get(); }
  int done_fd(const Request &request) const;  // -1 before the send

 private:
  Exchanger(const Resolved &resolved, std::optional<RendezvousEntry> entry);
  using Requests = std::map<std::string, std::shared_ptr<Request>>;  // by message id

  void start(const Resolved &resolved);
  std::unique_ptr<FramePipe> open_pipe();
  Outcome tell(std::function<void(FramePipe *)> word);  // the agent, from the loop thread

  // PipeListener, in the loop thread
  void on_up(const PeerInfo &peer, bool new_peer) override;
  void on_down(bool left) override;
  std::optional<Refusal> on_offered(const Message &message, size_t) override;
  void on_message(const MessagePtr &message) override;
  void on_message_lost(const MessagePtr &message, flare_status status, const std::string &reason) override;
  void on_transaction(const std::string &id) override;
  void on_progress(const TransferEvent &event) override;
  void on_accepted(const std::string &id, bool accepted, const std::string &reason) override;
  void on_settled(const std::string &id, flare_status status, const std::string &reason) override;
  void on_words_left(bool any) override;
  void on_over(flare_status status, const std::string &reason) override;

  // In the loop thread
  void send_next();
  void attend_tasks();  // gives up those whose time is over, and sets the alarm for the others
  void take_back(Requests requests, flare_status status, const std::string &reason);
  void take_back(const std::shared_ptr<Request> &request, flare_status status, const std::string &reason);
  void reclaim(const Request &request);
  void send_signal(std::string_view topic, const std::string &id, const std::string &task_id,
                   const std::string &reason);

  // With the lock held
  void refresh();
  void be_over(flare_status status, const std::string &reason);
  void finish(Request &request, flare_status status, const std::string &reason);
  std::shared_ptr<Request> asked(const Message &reply) const;
  Outcome leave(flare_status status, std::string_view topic, const std::string &reason);

  const Settings settings_;
  const bool read_timeout_chosen_;
  Log log_;
  std::string url_;
  std::unique_ptr<WrittenProfile> handed_out_;  // guarded by close_mutex_ once open

  mutable std::mutex mutex_;  // guards the members down to the blank line
  std::deque<std::shared_ptr<Request>> queue_;
  Requests sent_;  // without a reply
  std::deque<Metric> metrics_;
  bool connected_ = false;
  bool present_ = false;  // connected, or lost without a goodbye: it may come back
  bool stopped_ = false;
  bool closed_ = false;
  std::optional<Outcome> over_;  // no new task
  bool words_left_ = false;      // the agent has not heard of all its results that they are here
  std::string goodbye_;          // id of the END or ABORT message that the agent has not acknowledged yet
  LevelFd connected_fd_, metric_fd_;
  LevelFd said_goodbye_fd_;
  std::optional<RendezvousEntry> entry_;  // as long as an agent may come

  std::mutex close_mutex_;  // guards close_begun_, and lets a second close wait for the first
  bool close_begun_ = false;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<FramePipe> pipe_;          // in the loop thread
  std::unique_ptr<Loop::Alarm> task_alarm_;  // in the loop thread
};

}  // namespace flare
