#include "fed_avg.h"

#include <chrono>
#include <stdexcept>

#include "average.h"

namespace flare_tool {

namespace {

using Clock = std::chrono::steady_clock;

Score score(int64_t round, const std::vector<Answer> &answers, double seconds) {
  Score score = {round, 0, {}, seconds};
  for (const Answer &answer : answers) {
    if (!answer.accuracy) throw std::runtime_error(answer.site + " reported no metric 'accuracy'");
    score.sites.push_back({answer.site, *answer.accuracy});
    score.accuracy += *answer.accuracy / static_cast<double>(answers.size());
  }
  return score;
}

void need_model(const Answer &answer) {
  if (answer.model.empty()) throw std::runtime_error(answer.site + " answered without a model");
}

Model merge(const std::vector<Answer> &answers) {
  std::vector<Contribution> contributions;
  for (const Answer &answer : answers) {
    need_model(answer);
    if (!answer.steps)
      throw std::runtime_error(answer.site + " did not say how many steps it trained (NUM_STEPS_CURRENT_ROUND)");
    contributions.push_back({answer.site, &answer.model, *answer.steps});
  }
  return average(contributions);
}

}  // namespace

std::string describe(const Order &order) {
  if (order.round < 0 || order.round >= order.total_rounds) return order.task_name;
  return order.task_name + " of round " + std::to_string(order.round + 1) + " of " + std::to_string(order.total_rounds);
}

std::vector<Score> fed_avg(Sites &sites, int64_t rounds, const std::function<void(const Score &)> &on_score,
                           Model *learned) {
  std::vector<Score> scores;
  double seconds = 0;
  const auto keep_score = [&](int64_t round, const std::vector<Answer> &answers) {
    scores.push_back(score(round, answers, seconds));
    on_score(scores.back());
  };

  Answer first = sites.ask_first({"submit_model"});
  need_model(first);
  Model model = std::move(first.model);
  for (int64_t round = 0; round < rounds; ++round) {
    const Clock::time_point start = Clock::now();
    const std::vector<Answer> answers = sites.ask_all({"train", &model, round, rounds});
    keep_score(round, answers);
    model = merge(answers);
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  keep_score(rounds, sites.ask_all({"validate", &model, rounds, rounds}));
  if (learned != nullptr) *learned = std::move(model);
  return scores;
}

}  // namespace flare_tool
