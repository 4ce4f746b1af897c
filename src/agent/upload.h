// A submitted result until every receiver has it: how far each one is, what the gate makes of that, and what its user
// is told. No threads and no clock; the agent guards it with its mutex and does what it asks for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/submit_gate.h"
#include "base/time.h"
#include "config/settings.h"
#include "pipe/message.h"
#include "pipe/outcome.h"
#include "runtime/level_fd.h"
#include "transfer/chunk.h"

namespace flare {

struct ReceiverProgress {
  std::string name;  // "": the one that has no name
  int64_t bytes = 0;
  int64_t items = 0;
  flare_upload_state state = FLARE_UPLOAD_WAITING;
};

struct UploadSnapshot {
  int64_t bytes_per_receiver = 0, items_per_receiver = 0;
  std::vector<ReceiverProgress> receivers;
  flare_upload_state state = FLARE_UPLOAD_WAITING;
  double seconds = 0;   // since the submit, until it was settled
  int64_t changes = 0;  // counts what there was to see

  TransferProgress sum() const;
};

class Upload {
 public:
  // `sizes`: of the objects that the reply is made of. `receivers`: those of the task (AG-10).
  Upload(MessagePtr reply, bool lent, const std::vector<uint64_t> &sizes, const std::vector<std::string> &receivers,
         TimePoint now);

  const std::string &task_id() const { return task_id_; }
  const std::vector<std::string> &receivers() const { return receivers_; }
  const MessagePtr &reply() const { return reply_; }
  bool lent() const { return lent_; }
  // It tells the peer that it waits in vain for another one.
  bool stands_in() const { return stands_in_; }
  void stand_in() { stands_in_ = true; }
  // The peer has aborted the task.
  bool unwanted() const { return unwanted_; }
  void not_wanted() { unwanted_ = true; }
  // Of the reply under way; empty while it is kept for a peer that was replaced.
  const std::string &message_id() const { return message_id_; }

  // ---- The sending of it ----
  void keep();                        // the peer was replaced: nobody asks for it until it is sent again
  void send_again(MessagePtr reply);  // the new peer asked for the same task
  void begin(const Settings &settings);

  // ---- What the pipe says ----
  void on_transaction(TimePoint now);
  void on_accepted(TimePoint now);
  void on_progress(const TransferEvent &event, TimePoint now);
  void on_settled(flare_status status, const std::string &reason, TimePoint now);

  // ---- What else happens ----
  void on_stop(TimePoint now);  // AG-34: a delivery that is under way gets a last grace
  void on_time(TimePoint now);
  std::optional<TimePoint> deadline() const;
  // Settles it, whatever the gate thinks.
  void settle(flare_status status, const std::string &reason, TimePoint now);

  // The upload is to be given up at the pipe, with this status and reason.
  std::optional<Outcome> take_verdict();

  // ---- What its user is told ----
  // nullopt: not decided yet.
  std::optional<Outcome> accepted() const { return accepted_; }
  std::optional<Outcome> settled() const { return settled_; }
  // The agent was stopped and the last grace is over: nobody waits any longer, although it goes on until the close.
  bool wait_over() const { return wait_over_; }
  UploadSnapshot snapshot(TimePoint now) const;

  // Raised when accepted() or settled() says something, or the agent was stopped.
  LevelFd accepted_fd, settled_fd;
  LevelFd progress_fd;  // raised while there is more to see than was looked at
  void looked(int64_t changes);

 private:
  void run_gate(bool by_time);
  void fail(const SubmitGate::Finished &finished);
  std::string so_far() const;
  void changed();

  MessagePtr reply_;
  bool lent_;
  bool stands_in_ = false;
  bool unwanted_ = false;
  std::string task_id_, message_id_;
  std::vector<std::string> receivers_;
  UploadSnapshot progress_;
  TimePoint submitted_at_;
  std::optional<TimePoint> settled_at_;
  std::optional<Duration> idle_timeout_;
  Duration download_complete_timeout_{};

  std::optional<SubmitGate> gate_;
  bool transaction_ = false;
  bool wait_over_ = false;
  std::string failure_;  // in the words of a receiver
  std::optional<Outcome> verdict_, given_up_;
  std::optional<Outcome> accepted_, settled_;
};

}  // namespace flare
