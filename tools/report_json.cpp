#include "report_json.h"

#include <nlohmann/json.hpp>

namespace flare_tool {

namespace {

using Json = nlohmann::ordered_json;

Json scores(const Curve &curve) {
  Json list = Json::array();
  for (const Score &score : curve.scores) {
    Json sites = Json::object();
    for (const Score::Of &site : score.sites) sites[site.site] = site.accuracy;
    list.push_back(
        {{"round", score.round}, {"accuracy", score.accuracy}, {"sites", sites}, {"seconds", score.seconds}});
  }
  return list;
}

Json logged(const std::vector<Logged> &entries) {
  Json list = Json::array();
  for (const Logged &entry : entries) {
    const Json step = entry.step == FLARE_NO_STEP ? Json() : Json(entry.step);
    list.push_back({{"name", entry.name}, {"step", step}, {"value", entry.value}});
  }
  return list;
}

}  // namespace

std::string json(const Report &report) {
  Json out = {{"final_accuracy", report.together.scores.back().accuracy}, {"together", scores(report.together)}};
  out["alone"] = Json::array();
  for (const Curve &curve : report.alone) out["alone"].push_back({{"name", curve.name}, {"scores", scores(curve)}});
  out["logged"] = Json::object();
  for (const Report::Log &log : report.logged) out["logged"][log.site] = logged(log.entries);
  return out.dump(2) + "\n";
}

}  // namespace flare_tool
