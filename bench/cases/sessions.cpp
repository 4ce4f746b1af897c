// What a session costs while nothing happens, how soon it is up, and whether its heartbeats are on time.
#include <atomic>
#include <thread>

#include "cases.h"
#include "mappings.h"
#include "pipe/zmq/address.h"
#include "pipe/zmq/frame_pipe.h"
#include "pipe/zmq/zmq_link.h"
#include "session.h"
#include "warm.h"

namespace flare::bench {

namespace {

void sleep_s(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

// Both ends wait in a call, as those of a trainer that has nothing to do. Counted by the process: an exchanger in the
// other must not be in the figure.
int idle(const SessionCase &options) {
  Folder folder;
  return run_ends(
      [&](Line *line, Figures *figures) {
        Trainer end(line->hear());
        must(flare_agent_wait_connected(end.get(), FLARE_WAIT_FOREVER, nullptr), "connect");
        (*figures)["rss_mib"] = {memory_mib("VmRSS")};
        std::thread waiting([&] {
          flare_task *task = nullptr;
          const flare_status ended = flare_agent_next_task(end.get(), FLARE_WAIT_FOREVER, &task, nullptr);
          if (ended == FLARE_OK) flare_task_free(task);
        });
        sleep_s(0.5);
        const double before = sleeps();
        sleep_s(options.seconds);
        // Without the one of this thread's own sleep.
        (*figures)["wake_ups_per_s"] = {(sleeps() - before - 1) / options.seconds};
        line->say("done");
        flare_agent_stop(end.get());
        waiting.join();
      },
      [&](Line *line, Figures *) {
        Site site(options.transport, folder);
        line->say(site.url());
        line->hear();
      });
}

// From before flare_agent_open() to the return of the wait for the connection.
int open(const SessionCase &options) {
  Folder folder;
  return run_ends(
      [&](Line *line, Figures *figures) {
        const std::string url = line->hear();
        for (int i = 0; i < 10; ++i) {
          const double begun = now_us();
          Trainer end(url);
          must(flare_agent_wait_connected(end.get(), FLARE_WAIT_FOREVER, nullptr), "connect");
          (*figures)["us"].push_back(now_us() - begun);
        }
        line->say("done");
      },
      [&](Line *line, Figures *) {
        Site site(options.transport, folder);
        line->say(site.url());
        line->hear();
      });
}

// Notes when heartbeats come, and passes everything on.
class HeartbeatLink : public Link, private LinkListener {
 public:
  HeartbeatLink(std::unique_ptr<Link> link, std::vector<double> *times) : link_(std::move(link)), times_(times) {}

  void open(LinkListener *listener) override {
    listener_ = listener;
    link_->open(this);
  }
  bool send(const Connection &to, const wire::Envelope &envelope, const Bytes &payload, bool lent) override {
    return link_->send(to, envelope, payload, lent);
  }
  bool reachable(const Connection &connection) override { return link_->reachable(connection); }
  std::string url() const override { return link_->url(); }
  void close(Duration linger) override { link_->close(linger); }

 private:
  void on_frame(const Connection &from, wire::Envelope envelope, Bytes payload) override {
    if (std::holds_alternative<wire::Heartbeat>(envelope.body)) times_->push_back(now_us());
    listener_->on_frame(from, std::move(envelope), std::move(payload));
  }
  size_t max_envelope_bytes(const Connection &from) const override { return listener_->max_envelope_bytes(from); }
  void on_bad_frame(const Connection &from, const std::string &reason) override {
    listener_->on_bad_frame(from, reason);
  }
  void on_connection(const Connection &connection, bool up) override { listener_->on_connection(connection, up); }
  void on_turned_away(const std::string &reason, bool for_good) override {
    listener_->on_turned_away(reason, for_good);
  }

  std::unique_ptr<Link> link_;
  std::vector<double> *times_;
  LinkListener *listener_ = nullptr;
};

// Sends the same task again as soon as the one before was answered.
class EndlessSite : public PipeListener {
 public:
  EndlessSite(const Settings &settings, const Shareable &model) : model_(model) {
    flare::Settings resolved;
    for (const auto &[name, value] : settings) apply_option(&resolved, name, value, "bench");
    loop_.run_and_wait([&] {
      const Address address = parse_address(resolved.url, false);
      auto link = std::make_unique<HeartbeatLink>(make_zmq_exchanger_link(address, resolved, &loop_), &heartbeats_);
      pipe_ = std::make_unique<FramePipe>(FramePipe::Role::kExchanger, resolved, std::move(link), &loop_,
                                          Log("warn", ""), this);
      url_ = pipe_->url();
    });
  }
  ~EndlessSite() override {
    loop_.run_and_wait([this] { pipe_.reset(); });
  }

  std::string url() const { return url_; }
  std::vector<double> heartbeats() {
    std::vector<double> copy;
    loop_.run_and_wait([&] { copy = heartbeats_; });
    return copy;
  }

 private:
  void send() {
    auto task = std::make_shared<Message>();
    task->topic = "bench";
    task->id = "task-" + std::to_string(++sent_);
    task->data = model_;
    task->data.headers.set(header::kTaskId, task->id);
    task->data.headers.set(header::kTaskName, "bench");
    pipe_->send(task, {});
  }

  void on_up(const PeerInfo &, bool) override { send(); }
  void on_down(bool) override {}
  std::optional<Refusal> on_offered(const Message &, size_t) override { return std::nullopt; }
  void on_message(const MessagePtr &message) override {
    if (message->kind == MessageKind::kReply) send();
  }
  void on_message_lost(const MessagePtr &, flare_status, const std::string &) override {}
  void on_transaction(const std::string &) override {}
  void on_progress(const TransferEvent &) override {}
  void on_accepted(const std::string &, bool, const std::string &) override {}
  void on_settled(const std::string &, flare_status, const std::string &) override {}
  void on_words_left(bool) override {}
  void on_over(flare_status, const std::string &) override {}

  Shareable model_;
  std::vector<double> heartbeats_;
  int sent_ = 0;
  std::string url_;
  Loop loop_{"bench-site", [](const std::exception_ptr &) { std::abort(); }};
  std::unique_ptr<FramePipe> pipe_;
};

Shareable model_of(WarmMemory &memory) {
  Shareable model;
  model.kind = kind::kWeights;
  model.body.set("w",
                 Tensor{FLARE_UINT8, {static_cast<int64_t>(memory.size())}, {nullptr, memory.data(), memory.size()}});
  return model;
}

// How late each heartbeat of the agent comes, as the exchanger sees it: while the trainer burns all processors in the
// hand of a task, or while a model moves.
int heartbeats(const SessionCase &options) {
  constexpr double kInterval = 0.25;
  const bool burn = options.what == "burn";
  Folder folder;
  return run_ends(
      [&](Line *line, Figures *figures) {
        WarmMemory memory(burn ? 0 : options.mib);
        Settings settings{{"token", "bench"}, {"heartbeat_interval", "60"}, {"heartbeat_timeout", "120"}};
        settings["url"] =
            options.transport == "ipc" ? "zmq+ipc://" + folder.path() + "/flare.sock" : "zmq+tcp://127.0.0.1:*";
        EndlessSite site(settings, burn ? Shareable() : model_of(memory));
        line->say(site.url());
        line->hear();  // the other end has seen enough
        const std::vector<double> times = site.heartbeats();
        // The first two are those of the start.
        for (size_t i = 3; i < times.size(); ++i) {
          (*figures)["late_ms"].push_back((times[i] - times[i - 1]) / 1000 - kInterval * 1000);
        }
        line->say("done");
      },
      [&](Line *line, Figures *figures) {
        Trainer end(line->hear(), {{"heartbeat_interval", std::to_string(kInterval)}});
        const double until = now_us() + options.seconds * 1e6;
        if (burn) {
          const TaskHandle task = end.next_task();
          std::vector<std::thread> threads;
          for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
            threads.emplace_back([until] {
              while (now_us() < until) {
              }
            });
          }
          for (auto &thread : threads) thread.join();
          (*figures)["tasks"] = {1};
        } else {
          double tasks = 0;
          for (; now_us() < until; ++tasks) {
            const TaskHandle task = end.next_task();
            const ResultHandle result = result_of(task.get());
            must(flare_result_submit(result.get(), nullptr), "submit");
          }
          (*figures)["tasks"] = {tasks};
        }
        line->say("done");
        line->hear();
      });
}

}  // namespace

int run(const SessionCase &options) {
  if (options.what == "idle") return idle(options);
  if (options.what == "open") return open(options);
  return heartbeats(options);
}

}  // namespace flare::bench
