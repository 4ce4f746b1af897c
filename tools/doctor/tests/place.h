// A trainer's place for the doctor to look at: a folder, an environment, perhaps an exchanger.
#pragma once

#include <flare_exchanger.h>

#include <flare_agent.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "private_directory.h"

namespace flare_tool::doctor {

struct Answer {
  int status = -1;
  std::string output;
};

class Place {
 public:
  using Options = std::map<std::string, std::string>;

  ~Place();

  const std::filesystem::path &folder() const { return folder_.path(); }
  std::string in(const std::string &name) const { return (folder() / name).string(); }
  void set(const std::string &variable, const std::string &value) { environment_[variable] = value; }
  // A file below the folder; returns its path.
  std::string write(const std::string &name, const std::string &content, int mode = 0600) const;
  // An exchanger in this process; the environment is what its trainer would get.
  void serve(Options options = {});
  flare_exchanger *exchanger() const { return exchanger_.get(); }
  flare_agent *agent() const { return agent_.get(); }
  // Somebody else at the exchanger, until the end.
  void occupy();
  // A listener on 127.0.0.1 with room for so many connections that nobody accepts; returns its port.
  std::string listen(int room);
  // Takes that room, so that further connections get no answer; returns the port.
  std::string fill(const std::string &port);
  // The doctor will find a good program at this path below the folder, on a file system that is mounted noexec.
  void mount_noexec(const std::string &name);
  // From now on the doctor has no more rights than modes of files give, also when root runs the tests.
  void drop_rights();

  // What the doctor says here.
  Answer run(const std::string &arguments) const;

 private:
  PrivateDirectory folder_;
  std::map<std::string, std::string> environment_;
  std::string before_;  // the command
  std::unique_ptr<flare_exchanger, void (*)(flare_exchanger *)> exchanger_{nullptr, flare_exchanger_close};
  std::unique_ptr<flare_agent, void (*)(flare_agent *)> agent_{nullptr, flare_agent_close};
  std::vector<int> sockets_;
};

}  // namespace flare_tool::doctor
