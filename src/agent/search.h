// How an agent goes on that has a rendezvous and no URL, until an exchanger has answered it for the first time: which
// jobs it leaves out for now, how long it waits for an answer, and what it says when its time is over. It decides
// alone: whoever owns it looks, connects, and tells it what came of that.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/time.h"
#include "flare_agent.h"

namespace flare {

class Search {
 public:
  struct End {
    flare_status status;
    std::string reason;
  };

  Search(std::string agent_id, std::string folder, std::optional<Duration> connect_timeout, TimePoint now);

  // Jobs that a look leaves out. Those whose exchanger did not answer: the others come first. And those whose exchanger
  // refused this agent: it is not asked the same again at once, but after a while, as what was in the way may be gone.
  std::set<std::string> avoided(TimePoint now);
  // A look found nothing; `taken` is a job that has another agent of this name, or empty.
  void on_nothing(const std::string &taken);
  // A look found this job. Returns how long its exchanger has for its answer.
  Duration on_found(const std::string &job, TimePoint now);
  // What was found came to nothing. False: that is the last word.
  bool on_failed(flare_status status, const std::string &reason, TimePoint now);

  TimePoint next_look(TimePoint now) const;
  std::optional<End> end(TimePoint now) const;

 private:
  const std::string agent_id_, folder_;
  const std::optional<Duration> connect_timeout_;
  const std::optional<TimePoint> deadline_;
  std::set<std::string> silent_;               // until the others have been tried
  std::map<std::string, TimePoint> refusers_;  // until then
  std::string job_;                            // the one found last
  std::string taken_;                          // seen in the last look
  std::string failure_;                        // of the last that did not answer
  std::optional<End> refusal_;                 // by the last that refused this agent
};

}  // namespace flare
