// Tasks that were taken and whose arrays are still fetched, however long it takes: asks for them, and gives out each
// task that is whole, or lost.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "cellnet/cell_calls.h"
#include "flare_agent.h"
#include "fobs/value_read.h"
#include "pipe/cell/array_download.h"
#include "pipe/message.h"
#include "pipe/task_keys.h"

namespace flare {

class TaskDownloads {
 public:
  struct Finished {
    MessagePtr task;  // without its data when it is lost
    flare_status status = FLARE_OK;
    std::string reason;
  };

  // Keeps the keys of each task that is whole.
  TaskDownloads(const fobs::ReadRules &rules, CellCalls *cell, TaskKeys *keys);

  // Throws Failure when what it refers to cannot be.
  void add(const MessagePtr &task, fobs::Message content);
  size_t under_way() const { return incoming_.size(); }

  void ask();  // while there is a connection
  // False: it is no answer for a task that is under way.
  bool on_answered(const StreamCell::Answered &answered, TimePoint now);
  void fail_all(flare_status status, const std::string &reason);
  void clear() { incoming_.clear(); }
  void on_time(TimePoint now);
  std::optional<TimePoint> deadline() const;

  std::optional<Finished> take_finished();
  // Of which nobody answers, each once.
  std::vector<std::string> take_unanswered() { return std::exchange(unanswered_, {}); }

 private:
  struct Incoming {
    MessagePtr message;
    fobs::Message content;
    ArrayDownload download;
    bool warned = false;  // that nobody answers
  };
  struct Asked {
    std::string task;
    size_t cursor;  // of the download
  };

  Finished finish(Incoming *incoming);

  fobs::ReadRules rules_;
  CellCalls *cell_;
  TaskKeys *keys_;
  std::map<std::string, Incoming> incoming_;  // by message
  std::map<std::string, Asked> asked_;        // by request
  std::vector<std::string> unanswered_;
};

}  // namespace flare
