// The trainer's end: takes tasks, sends results and metrics, and lets user threads wait. User threads call the
// public functions; the pipe lives in the loop thread. One mutex guards what both touch, and every descriptor that
// shows a condition is raised and lowered under it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "agent/launch_mode.h"
#include "agent/metric_queue.h"
#include "agent/search.h"
#include "agent/task_book.h"
#include "agent/upload.h"
#include "config/rendezvous.h"
#include "config/settings.h"
#include "pipe/outcome.h"
#include "pipe/pipe.h"
#include "runtime/bell.h"
#include "runtime/level_fd.h"
#include "runtime/log.h"
#include "runtime/loop.h"

namespace flare {

class Agent;

// A task in the user's hands, shared by the handles of the task and its result. When the last of them goes and
// the task was not answered, the peer is told so.
class Task {
 public:
  Task(std::shared_ptr<Agent> agent, MessagePtr message, flare_task_kind kind);
  ~Task();

  const std::shared_ptr<Agent> &agent() const { return agent_; }
  const MessagePtr &message() const { return message_; }
  const Shareable &data() const { return message_->data; }
  const std::string &id() const { return id_; }
  const std::string &name() const { return name_; }
  const std::string &job_id() const { return job_id_; }
  const std::string &site() const { return site_; }
  flare_task_kind kind() const { return kind_; }
  int64_t attempt() const;
  bool aborted() const;

  // One result at a time: false when there is one, or the task is answered.
  bool claim_result() { return !answered_ && !has_result_.exchange(true); }
  void drop_result() { has_result_ = false; }

 private:
  friend class Agent;
  std::shared_ptr<Agent> agent_;
  MessagePtr message_;
  std::string id_, name_, job_id_, site_;
  flare_task_kind kind_;
  std::shared_ptr<std::atomic<bool>> aborted_;  // the agent keeps it to raise it
  std::atomic<bool> has_result_{false};
  std::atomic<bool> answered_{false};  // by this object: the same task may come again in another
  std::string refusal_;                // why its last result was not sent; guarded by the agent's mutex
};

class Agent : public std::enable_shared_from_this<Agent>, private PipeListener {
 public:
  static std::shared_ptr<Agent> open(const Resolved &resolved);
  ~Agent() override;

  const Settings &settings() const { return settings_; }

  void stop();
  // The same from a signal handler: the loop thread does it, or a call that comes before.
  void ask_to_stop() noexcept { stop_bell_.ring(); }
  bool asked_to_stop() const noexcept { return stop_bell_.rung(); }
  void close();  // stops, drains, lets go; at most close_timeout

  Outcome wait_connected(int64_t timeout_ms);
  Outcome next_task(int64_t timeout_ms, std::shared_ptr<Task> *task);
  int task_fd() const { return task_fd_.get(); }
  int connected_fd() const { return connected_fd_.get(); }
  flare_state state();
  // Empty when there is no such thing, or it is not known yet. The text lives as long as the agent.
  const char *info(const std::string &name);
  flare_agent_stats stats();
  Outcome log(Metric metric);
  // What the library says about itself; STOPPED when it was stopped and all is read.
  Outcome next_log_record(int64_t timeout_ms, Log::Record *record);
  int log_fd() const { return log_.unread().get(); }

  // Starts an upload. `lent`: the result refers to memory of the user. Throws Failure when the result does not fit the
  // model of its task, which is then still in hand.
  Outcome submit(Task &task, Shareable result, bool lent, std::shared_ptr<Upload> *upload);
  Outcome fail(Task &task, const std::string &return_code, const std::string &reason);
  Outcome wait(Upload &upload, flare_level level, int64_t timeout_ms);
  void cancel(Upload &upload);
  UploadSnapshot progress(const Upload &upload) const;
  // Waits until there is more to see than the first `seen` changes.
  Outcome wait_progress(Upload &upload, int64_t seen, int64_t timeout_ms, UploadSnapshot *snapshot);
  bool should_exit() const;

 private:
  friend class Task;

  explicit Agent(const Resolved &resolved);
  void start();
  void heed_stop();  // what ask_to_stop() asked for, at the latest now
  void abandon(const Task &task);

  // PipeListener, in the loop thread
  void on_up(const PeerInfo &peer, bool new_peer) override;
  void on_down(bool left) override;
  std::optional<Refusal> on_offered(const Message &message, size_t under_way) override;
  void on_message(const MessagePtr &message) override;
  void on_message_lost(const MessagePtr &message, flare_status status, const std::string &reason) override;
  void on_transaction(const std::string &id) override;
  void on_progress(const TransferEvent &event) override;
  void on_accepted(const std::string &id, bool accepted, const std::string &reason) override;
  void on_settled(const std::string &id, flare_status status, const std::string &reason) override;
  void on_words_left(bool) override {}  // of tasks: an exchanger that misses one gets its answer
  void on_over(flare_status status, const std::string &reason) override;

  // In the loop thread
  void on_task(const MessagePtr &message);
  void on_task_aborted(const std::string &task_id, const std::string &reason);
  void send_reply(const std::shared_ptr<Upload> &upload);
  void flush_metrics(bool all);
  // Lets uploads act on what has happened, gives up those that are to be, and sets the alarm for the rest.
  void attend_uploads();
  void abandon_uploads();  // after a stop
  // With a rendezvous, until an exchanger has answered.
  void look_for_exchanger();
  bool try_exchanger(RendezvousSeat seat);
  void log_passed_over(const std::string &job, const std::string &reason);

  // With the lock held
  void refresh();  // raises and lowers the descriptors that show the state of the whole agent
  void settle(const std::shared_ptr<Upload> &upload, flare_status status, const std::string &reason);
  void settled(const std::shared_ptr<Upload> &upload);
  // The peer did not take this reply and waits for one: it gets a failure in its place.
  void answer_instead(const Message &reply, const std::string &reason);
  std::optional<Outcome> over() const;  // why nothing can be taken or sent any more
  // The loop is to be helped afterwards, without the lock. `sizes`: of the objects of the reply; a failure has none.
  // `keep`: until a new peer asks for the same task.
  std::shared_ptr<Upload> start_upload(const Message &task, MessagePtr reply, const std::vector<uint64_t> &sizes = {},
                                       bool lent = false, bool keep = false);
  void post_reply(const std::shared_ptr<Upload> &upload);
  std::shared_ptr<Upload> upload_of(const std::string &message_id) const;

  void give_up(const std::string &message_id, flare_status status, const std::string &reason);

  const Resolved own_;
  const Settings &settings_ = own_.settings;
  Log log_;

  mutable std::mutex mutex_;  // guards the members down to the blank line
  Resolved session_;          // with what the rendezvous says; not changed any more once an exchanger has answered
  TaskBook book_;
  MetricQueue metrics_;
  std::optional<PeerInfo> peer_;
  bool connected_ = false;
  bool stopped_ = false;
  bool flush_posted_ = false;
  std::map<std::string, std::weak_ptr<std::atomic<bool>>> in_hands_;  // abort flags by task id
  std::map<std::string, std::shared_ptr<Upload>> uploads_;            // not settled, by task id
  std::set<std::string> texts_;                                       // given out by info()
  flare_agent_stats counts_ = FLARE_AGENT_STATS_INIT;
  LaunchMode launch_mode_;

  LevelFd task_fd_, connected_fd_;
  LevelFd idle_fd_;       // nothing that a close would wait for
  bool closed_ = false;   // the pipe is gone
  PipeStats pipe_stats_;  // its last word

  Bell stop_bell_;

  std::mutex close_mutex_;  // guards close_begun_, and lets a second close wait for the first
  bool close_begun_ = false;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Pipe> pipe_;                 // in the loop thread
  std::unique_ptr<Loop::Alarm> upload_alarm_;  // in the loop thread
  std::unique_ptr<Loop::Watch> stop_watch_;    // in the loop thread
  std::optional<Search> search_;               // in the loop thread
  std::unique_ptr<Loop::Alarm> search_alarm_;  // in the loop thread
  std::set<std::string> passed_over_;          // what was said of entries, each once; in the loop thread
  std::optional<RendezvousSeat> seat_;         // kept until the close
};

inline bool Task::aborted() const { return aborted_->load(std::memory_order_relaxed) || agent_->asked_to_stop(); }

}  // namespace flare
