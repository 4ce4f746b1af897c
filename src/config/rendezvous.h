// Where the exchangers and the trainers of one machine meet: a folder of their user with an entry for each agent and
// job, DIR/AGENT_ID/JOB_ID.json. An entry is a profile for the agent, and a file with two locks on it: one of the
// exchanger that serves the job, one of the agent that takes part in it. The system lets go of them however a process
// ends, so an entry that nobody has locked is left over, and goes; one that an agent has locked waits for its
// exchanger to come back. (Locks of an open file: a child that was forked and lives on without exec holds them too.)
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/descriptor.h"
#include "config/settings.h"

namespace flare {

// The entry of an exchanger, from before it listens until no new agent is admitted.
class RendezvousEntry {
 public:
  // Takes the entry of settings->job_id, also over from one that was killed. Where the settings have no url, it will
  // be a socket beside the entry; where they have no token, that of the one before, or a new one. Throws
  // Failure(FLARE_IO) when another process serves this job, or the folder cannot be used;
  // FLARE_INVALID_ARGUMENT when an id is no name for a file, or others may write to the folder.
  static RendezvousEntry claim(Settings *settings);
  ~RendezvousEntry();  // withdraws it
  RendezvousEntry(RendezvousEntry &&) = default;
  RendezvousEntry &operator=(RendezvousEntry &&) = delete;

  // The address with a real port of the one before, when `url` leaves the port open: whoever was connected to it tries
  // there. Empty when there is none.
  std::string url_before(const std::string &url) const;
  // From now on agents find it: `values` of options, and what the exchanger was told that an agent should know.
  void publish(const Resolved &exchanger, std::map<std::string, std::string> values);
  // At once, also without an agent.
  void withdraw() noexcept;

 private:
  RendezvousEntry(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  Descriptor file_;
  std::string url_before_;
};

// A job that an agent takes part in. No other agent gets it while this exists.
struct RendezvousSeat {
  std::string job;
  std::string path;
  std::map<std::string, std::string> values;  // of options
  Descriptor file;
};

struct RendezvousLook {
  std::optional<RendezvousSeat> seat;
  std::string taken;  // a job that has another agent of this name, or empty
};

// Takes the job of this agent that has waited longest, but none of `avoid`, and removes what was left over. Throws as
// claim() for the folder and the agent's id.
RendezvousLook look_for_job(const Settings &settings, const std::set<std::string> &avoid);

}  // namespace flare
