#include "simulate.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "federation.h"
#include "interrupts.h"
#include "private_directory.h"
#include "report_json.h"
#include "report_svg.h"
#include "report_text.h"

namespace flare_tool {

namespace {

void say(const std::string &line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void write_file(const std::string &path, const std::string &content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (!file) throw std::system_error(errno, std::generic_category(), "cannot write " + path);
}

class Simulation {
 public:
  explicit Simulation(const SimulateOptions &options)
      : options_(options), logs_(options.log_dir.empty() ? sockets_.path() : std::filesystem::path(options.log_dir)) {
    std::filesystem::create_directories(logs_);
  }

  Report run() {
    Report report;
    for (size_t site = 0; options_.baselines && site < options_.sites; ++site) report.alone.push_back(run_alone(site));
    run_together(&report);
    return report;
  }

 private:
  Curve run_alone(size_t site) {
    Federation federation({settings(site, "-alone")}, options_.task_timeout, interrupts_);
    Curve curve = {site_name(site) + " alone", fed_avg(federation, options_.rounds, [](const Score &) {})};
    federation.finish();
    say(alone_line(curve));
    return curve;
  }

  void run_together(Report *report) {
    std::vector<Site::Settings> sites;
    for (size_t site = 0; site < options_.sites; ++site) sites.push_back(settings(site, ""));
    Federation federation(sites, options_.task_timeout, interrupts_);
    const auto show = [&](const Score &score) {
      if (score.round > 0) say(score_line(score, options_.rounds));
    };
    report->together = {"together", fed_avg(federation, options_.rounds, show, &report->model)};
    federation.finish();
    for (const auto &site : federation.sites()) report->logged.push_back({site->name(), site->logged()});
  }

  Site::Settings settings(size_t site, const std::string &suffix) const {
    const std::string name = site_name(site);
    const std::string url = options_.transport == "zmq+tcp"
                                ? "zmq+tcp://127.0.0.1:*"
                                : "zmq+ipc://" + (sockets_.path() / (name + suffix + ".sock")).string();
    return {name,
            "simulate-" + std::to_string(::getpid()) + suffix,
            url,
            options_.trainers[site % options_.trainers.size()],
            {options_.data, std::to_string(options_.sites)},
            logs_ / (name + suffix + ".log")};
  }

  static std::string site_name(size_t site) { return "site-" + std::to_string(site + 1); }

  const SimulateOptions &options_;
  const Interrupts interrupts_;
  const PrivateDirectory sockets_;
  const std::filesystem::path logs_;
};

}  // namespace

void simulate(const SimulateOptions &options) {
  const Report report = Simulation(options).run();
  say("\n" + final_table(report));
  if (!options.json.empty()) {
    write_file(options.json, json(report));
    say("numbers: " + options.json);
  }
  if (!options.svg.empty()) {
    write_file(options.svg, svg(report, "Accuracy by round, each site alone and all together"));
    say("curves: " + options.svg);
  }
  if (!options.model.empty()) {
    write_file(options.model, model_text(report.model));
    say("model: " + options.model);
  }
  say(final_line(report));
}

}  // namespace flare_tool
