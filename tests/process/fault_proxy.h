// Stands between an agent and its exchanger, on one of the transports of ZeroMQ, and does what networks do, and worse:
// it slows down, stalls, holds back, cuts, closes half of a connection, and with a seed lets messages suffer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "stream_faults.h"

namespace flare_test {

enum class Way { kUp, kDown };  // from the agent, to the agent

class FaultProxy {
 public:
  // `target`: the URL of the exchanger. Listens at a URL of the same kind, in `folder` when it is a path. Without a
  // seed it knows nothing of what it carries; with one, ZeroMQ messages suffer as befall() says.
  FaultProxy(const std::string &target, const std::string &folder, std::optional<uint64_t> seed = std::nullopt);
  ~FaultProxy();
  FaultProxy(const FaultProxy &) = delete;
  FaultProxy &operator=(const FaultProxy &) = delete;

  const std::string &url() const { return url_; }  // for the agent
  void retarget(const std::string &target);        // for connections to come

  // On each connection.
  void limit(int64_t bytes_per_second, Way way = Way::kUp);  // 0: no limit
  void stall_after(int64_t bytes, Way way = Way::kUp);       // -1: never
  // Nothing of what the exchanger sends passes any more, once the agent has sent so much in all; -1: all passes.
  void hold_after(int64_t bytes);
  void befall(const FaultRates &rates, Way way);
  void half_close(Way way);  // the receiver of that way reads an end, and may still send
  void cut();                // all connections, with what is under way on them

  int64_t passed() const { return passed_; }  // of what the agent sent
  bool wait_passed(int64_t bytes, std::chrono::milliseconds timeout = std::chrono::seconds(30)) const;
  FaultCounts counts() const;

 private:
  struct Rule {  // of one way
    std::atomic<int64_t> limit{0}, stall_after{-1};
    std::atomic<bool> half_close{false};
    FaultRates rates;  // guarded by mutex_
  };
  struct Stream {  // one direction of a connection
    std::string ready;
    int64_t passed = 0;
    std::chrono::steady_clock::time_point next{};  // by the limit
    bool ended = false, end_told = false;
    std::optional<StreamFaults> faults;
  };
  struct Connection {
    int agent = -1, exchanger = -1;
    Stream up, down;
  };

  Rule &rule(Way way) { return way == Way::kUp ? up_ : down_; }
  const Rule &rule(Way way) const { return way == Way::kUp ? up_ : down_; }
  void run();
  void wake() const;
  void accept();
  void obey();
  void drop_all();
  // False: the connection is over.
  bool move(Connection *connection, Way way);
  bool held(const Connection &connection, Way way) const;
  void forget(const Connection &connection);

  std::string url_, path_;
  int listener_ = -1;
  int wake_ = -1;
  std::optional<uint64_t> seed_;
  Rule up_, down_;
  std::atomic<int64_t> hold_after_{-1}, passed_{0};
  std::atomic<bool> cut_{false}, stop_{false};
  mutable std::mutex mutex_;  // guards target_, counts_ and the rates of the rules
  std::string target_;
  FaultCounts counts_;                   // of connections that are over
  std::vector<Connection> connections_;  // of the thread, but for the counts of their faults
  std::vector<char> buffer_;             // of the thread
  std::thread thread_;
};

}  // namespace flare_test
