// Stands between an agent and its exchanger, on one of the transports of ZeroMQ, and does what networks do: it slows
// down, stalls, holds back and cuts. It knows nothing of what it carries.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace flare_test {

class FaultProxy {
 public:
  // `target`: the URL of the exchanger. Listens at a URL of the same kind, in `folder` when it is a path.
  FaultProxy(const std::string &target, const std::string &folder);
  ~FaultProxy();
  FaultProxy(const FaultProxy &) = delete;
  FaultProxy &operator=(const FaultProxy &) = delete;

  const std::string &url() const { return url_; }  // for the agent
  void retarget(const std::string &target);        // for connections to come

  // Of what the agent sends, on each connection.
  void limit(int64_t bytes_per_second) { limit_ = bytes_per_second; }  // 0: no limit
  void stall_after(int64_t bytes) { stall_after_ = bytes; }            // -1: never
  // Nothing of what the exchanger sends passes any more, once the agent has sent so much in all; -1: all passes.
  void hold_after(int64_t bytes) { hold_after_ = bytes; }
  void cut();  // all connections, with what is under way on them

  int64_t passed() const { return passed_; }  // of what the agent sent
  bool wait_passed(int64_t bytes, std::chrono::milliseconds timeout = std::chrono::seconds(30)) const;

 private:
  struct Stream {  // one direction of a connection
    std::vector<char> buffer;
    int64_t passed = 0;
    std::chrono::steady_clock::time_point next{};  // by the limit
  };
  struct Connection {
    int agent = -1, exchanger = -1;
    Stream up, down;
  };

  void run();
  void accept();
  // False: the connection is over.
  bool move(Connection *connection, bool up);
  bool held(const Connection &connection, bool up) const;

  std::string url_, path_;
  int listener_ = -1;
  std::atomic<int64_t> limit_{0}, stall_after_{-1}, hold_after_{-1}, passed_{0};
  std::atomic<bool> cut_{false}, stop_{false};
  std::mutex mutex_;  // guards target_
  std::string target_;
  std::vector<Connection> connections_;  // of the thread
  std::thread thread_;
};

}  // namespace flare_test
