#include "place.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace flare_tool::doctor {

Place::~Place() {
  for (const int fd : sockets_) ::close(fd);
}

std::string Place::write(const std::string &name, const std::string &content, int mode) const {
  const std::filesystem::path path = folder() / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << content;
  ::chmod(path.c_str(), static_cast<mode_t>(mode));
  return path.string();
}

void Place::serve(Options more) {
  Options all = {{"url", "zmq+ipc://" + in("x.sock")},
                 {"token", "hidden"},
                 {"site", "site-1"},
                 {"job_id", "job-1"},
                 {"close_timeout", "1"}};
  for (const auto &[name, value] : more) all[name] = value;
  flare::Options options;
  for (const auto &[name, value] : all) options.set(name, value);
  flare_exchanger *exchanger = nullptr;
  flare::call(flare_exchanger_open, options.handle(), &exchanger);
  exchanger_.reset(exchanger);
  set("FLARE_AGENT_URL", flare_exchanger_url(exchanger));
  set("FLARE_AGENT_TOKEN", all["token"]);
}

void Place::occupy() {
  flare::Options options;
  options.set("url", flare_exchanger_url(exchanger())).set("token", "hidden").set("close_timeout", "1");
  flare_agent *agent = nullptr;
  flare::call(flare_agent_open, options.handle(), &agent);
  agent_.reset(agent);
  flare::call(flare_agent_wait_connected, agent, int64_t{10'000});
}

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

std::string Place::listen(int room) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto *const any = reinterpret_cast<sockaddr *>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockets_.push_back(listener);
  if (::bind(listener, any, size) != 0 || ::listen(listener, room) != 0 || ::getsockname(listener, any, &size) != 0) {
    throw std::runtime_error("no listener");
  }
  return std::to_string(ntohs(address.sin_port));
}

std::string Place::fill(const std::string &port) {
  const sockaddr_in address = loopback(static_cast<uint16_t>(std::stoi(port)));
  for (int i = 0; i < 3; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockets_.push_back(fd);
    [[maybe_unused]] const int begun = ::connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address);
  }
  return port;
}

void Place::mount_noexec(const std::string &name) {
  const std::filesystem::path path = folder() / name;
  std::filesystem::create_directories(path.parent_path());
  before_ =
      "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs -o noexec none \"$0\" && cp /bin/true \"$1\" && "
      "shift && exec \"$@\"' " +
      path.parent_path().string() + " " + path.string() + " ";
}

void Place::drop_rights() {
  if (::geteuid() == 0) before_ = "setpriv --inh-caps=-all --bounding-set=-all ";
}

Answer Place::run(const std::string &arguments) const {
  std::string command = "cd '" + folder().string() + "' && exec " + before_ + "env";
  for (const auto &[name, value] : environment_) command += " '" + name + "=" + value + "'";
  command += " '" FLARE_TEST_BIN_DIR "/flare-agent' doctor " + arguments + " 2>&1";
  Answer answer;
  FILE *const pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> part;
  while (const size_t size = std::fread(part.data(), 1, part.size(), pipe)) answer.output.append(part.data(), size);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) answer.status = WEXITSTATUS(status);
  return answer;
}

}  // namespace flare_tool::doctor
