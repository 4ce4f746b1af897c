#include "run.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "site.h"
#include "trainer.h"
#include "world.h"

namespace flare_world {

namespace {

// Virtual time that a schedule has at most: far beyond all its time-outs.
constexpr Duration kLongest = std::chrono::hours(1);

// How long a launcher leaves a trainer alone that has no site any more and was told to wait for ever.
constexpr Duration kLaunchersPatience = std::chrono::seconds(60);

constexpr int kMostTrainers = 100;

class Play {
 public:
  explicit Play(const Schedule &schedule) : schedule_(schedule), world_(schedule.seed), network_(&world_) {
    for (int i = 0; i < static_cast<int>(schedule.tasks.size()); ++i) left_.insert(i);
  }

  RunReport run() {
    const TimePoint begin = world_.now();
    start_trainer(some(5));
    start_site(some(5));
    for (const Event &event : schedule_.events) {
      world_.at(begin + event.at, [this, &event] { happen(event); });
    }
    while (!finished() && !world_.spins() && world_.now() - begin < kLongest) {
      world_.run([this] { return wants_attention(); }, begin + kLongest);
      attend();
      if (idle()) break;
    }
    RunReport report;
    report.seconds = flare::to_seconds(world_.now() - begin);
    report.turns = world_.turns();
    world_.end();
    bury(&site_);
    bury(&trainer_);
    for (auto &dead : dying_) bury(&dead);
    recorder_.history().messages = network_.messages();
    recorder_.history().borrowed = network_.borrowed();
    recorder_.history().spins = world_.spins();
    recorder_.history().held = world_.held.sum();
    report.history = std::move(recorder_.history());
    report.mishaps = network_.counts();
    report.violations = check_history(expectations(), report.history, &report.tally);
    return report;
  }

 private:
  Expectations expectations() const {
    Expectations expected;
    expected.tasks = static_cast<int>(schedule_.tasks.size());
    expected.mild = schedule_.mild;
    const MishapCounts &mishaps = network_.counts();
    expected.metrics_in_order = mishaps.dropped + mishaps.reordered + mishaps.envelopes == 0;
    expected.most_messages = 1000;  // some 50 in the mean
    return expected;
  }

  milliseconds some(int64_t most) { return milliseconds(world_.draw().below(most + 1)); }

  // ---- Starting and ending

  void start_site(Duration delay) {
    site_to_come_ = true;
    world_.at(world_.now() + delay, [this] {
      site_to_come_ = false;
      site_ = std::make_unique<Site>(schedule_, left_, &recorder_);
      if (!trainer_ && !trainer_to_come_) start_trainer(some(20));
    });
  }

  void start_trainer(Duration delay) {
    if (++trainers_ > kMostTrainers) return;
    trainer_to_come_ = true;
    world_.at(world_.now() + delay, [this] {
      trainer_to_come_ = false;
      trainer_ = std::make_unique<Trainer>(schedule_, &recorder_);
    });
  }

  template <typename End>
  void bury(std::unique_ptr<End> *end) {
    if (!*end) return;
    const auto process = (*end)->process();
    world_.as(process, [&] { end->reset(); });
  }

  template <typename End>
  void kill(std::unique_ptr<End> *end) {
    network_.isolate((*end)->process());
    (*end)->process()->dead = true;
    recorder_.history().lives[static_cast<size_t>((*end)->life())].killed = true;
    dying_.push_back(std::move(*end));
  }

  bool wants_attention() const {
    const auto done = [](const Program *program) { return program && program->closed() && !program->busy(); };
    return done(site_.get()) || done(trainer_.get()) ||
           std::any_of(dying_.begin(), dying_.end(), [](const auto &program) { return !program->busy(); });
  }

  bool idle() const { return !wants_attention() && !finished() && stuck_; }
  bool finished() const { return !site_ && !trainer_ && !site_to_come_ && !trainer_to_come_ && dying_.empty(); }

  void attend() {
    stuck_ = !wants_attention();
    for (auto &program : dying_) {
      if (!program->busy()) bury(&program);
    }
    std::erase(dying_, nullptr);
    if (site_ && site_->closed() && !site_->busy()) site_closed();
    if (trainer_ && trainer_->closed() && !trainer_->busy()) trainer_closed();
  }

  void site_closed() {
    bury(&site_);
    const bool endless = !schedule_.settings.heartbeat_timeout || !schedule_.settings.connect_timeout;
    if (!endless) return;
    world_.at(world_.now() + kLaunchersPatience, [this] {
      if (trainer_) trainer_->ring();
    });
  }

  void trainer_closed() {
    bury(&trainer_);
    if (wanted()) start_trainer(milliseconds(20) + some(200));
  }

  bool wanted() const { return (site_ && !site_->over()) || site_to_come_; }

  // ---- Events

  void happen(const Event &event) {
    using Kind = Event::Kind;
    switch (event.kind) {
      case Kind::kAbortRequest:
      case Kind::kAbortJob:
      case Kind::kEndJob:
        if (site_ && !site_->busy()) to_site(event);
        return;
      case Kind::kStopTrainer:
      case Kind::kRingTrainer:
      case Kind::kCloseTrainer:
        if (trainer_) to_trainer(event);
        return;
      case Kind::kKillTrainer:
        if (!trainer_) return;
        kill(&trainer_);
        if (wanted()) start_trainer(milliseconds(10) + some(100));
        return;
      case Kind::kKillSite:
        if (!site_) return;
        left_ = site_->left();
        kill(&site_);
        start_site(event.lasts);
        return;
      case Kind::kFreezeTrainer:
        if (trainer_) trainer_->process()->frozen_until = world_.now() + event.lasts;
        return;
      case Kind::kFreezeSite:
        if (site_) site_->process()->frozen_until = world_.now() + event.lasts;
        return;
      case Kind::kCut: return network_.cut(event.lanes, true);
      case Kind::kCutUnseen: return network_.cut(event.lanes, false);
      case Kind::kHalfClose: return network_.half_close(event.lanes, event.way);
      case Kind::kStall: return network_.stall(event.lanes, event.way, event.lasts);
      case Kind::kBefall: return network_.befall(event.lanes, event.way, event.mishaps, event.lasts);
      case Kind::kDeafen: return network_.deafen(event.lanes, event.way);
    }
  }

  // A thread of theirs does it, which a freeze stops too.
  void to_site(const Event &event) {
    using Kind = Event::Kind;
    if (world_.now() < site_->process()->frozen_until) return;
    if (event.kind == Kind::kAbortRequest) site_->abort_request(static_cast<int>(event.value));
    if (event.kind == Kind::kAbortJob) site_->abort_job();
    if (event.kind == Kind::kEndJob) site_->end_job();
  }

  void to_trainer(const Event &event) {
    using Kind = Event::Kind;
    if (world_.now() < trainer_->process()->frozen_until) return;
    if (event.kind == Kind::kStopTrainer) trainer_->stop();
    if (event.kind == Kind::kRingTrainer) trainer_->ring();
    if (event.kind == Kind::kCloseTrainer) trainer_->close_soon();
  }

  const Schedule &schedule_;
  World world_;
  Network network_;
  Recorder recorder_;
  std::set<int> left_;
  std::unique_ptr<Site> site_;
  std::unique_ptr<Trainer> trainer_;
  std::vector<std::unique_ptr<Program>> dying_;
  bool site_to_come_ = false, trainer_to_come_ = false, stuck_ = false;
  int trainers_ = 0;
};

}  // namespace

RunReport run_schedule(const Schedule &schedule) { return Play(schedule).run(); }

}  // namespace flare_world
