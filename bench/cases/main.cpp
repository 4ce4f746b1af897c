// One contender of one case, run once: prints its figures as JSON. bench/run runs them all in turn.
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "cases.h"
#include "model_flare.h"
#include "model_raw.h"

using namespace flare::bench;

namespace {

const char *const kTransports = "--transport";

int run_model(const ModelCase &options) {
  if (options.contender == "memcpy") return memcpy_model(options);
  if (options.contender == "unix") return unix_model(options);
  if (options.contender == "frames") return frames_model(options);
  if (options.contender == "one-frame") return one_frame_model(options);
  return flare_model(options);
}

}  // namespace

int main(int argc, char **argv) {
  CLI::App app("Runs one contender of one case and prints its figures as JSON");
  app.require_subcommand(1);

  LatencyCase latency;
  CLI::App *const latency_command = app.add_subcommand("latency", "The smallest cycle");
  latency_command->add_option("--contender", latency.contender)->required()->check(CLI::IsMember({"raw", "flare"}));
  latency_command->add_option(kTransports, latency.transport)
      ->required()
      ->check(CLI::IsMember({"ipc", "tcp", "memory"}));
  latency_command->add_option("--rounds", latency.rounds);
  latency_command->add_flag("--one-core", latency.one_core, "Everything on one processor");

  ModelCase model;
  CLI::App *const model_command = app.add_subcommand("model", "A model from one process to another");
  model_command->add_option("--contender", model.contender)
      ->required()
      ->check(CLI::IsMember({"memcpy", "unix", "frames", "one-frame", "flare"}));
  model_command->add_option(kTransports, model.transport)->check(CLI::IsMember({"ipc", "tcp"}));
  model_command->add_option("--direction", model.direction)->check(CLI::IsMember({"task", "result"}));
  model_command->add_option("--mib", model.mib);
  model_command->add_option("--tensor-mib", model.tensor_mib);
  model_command->add_option("--rounds", model.rounds);

  SessionCase session;
  CLI::App *const session_command = app.add_subcommand("session", "A session that idles, opens or is under load");
  session_command->add_option("--what", session.what)
      ->required()
      ->check(CLI::IsMember({"idle", "open", "burn", "model"}));
  session_command->add_option(kTransports, session.transport)->required()->check(CLI::IsMember({"ipc", "tcp"}));
  session_command->add_option("--seconds", session.seconds);
  session_command->add_option("--mib", session.mib);

  LanguageCase language;
  CLI::App *const language_command = app.add_subcommand("language", "A task to a trainer in some language, and back");
  language_command->add_option("--command", language.command, "Its driver of the conformance kit, or flare-agent exec")
      ->required();
  language_command->add_option("--mib", language.mib);
  language_command->add_option("--warm-up", language.warm_up);
  language_command->add_option("--rounds", language.rounds);

  CLI::App *const copier_command = app.add_subcommand("copier", "A resident program for flare-agent exec");

  CLI11_PARSE(app, argc, argv);
  try {
    if (latency_command->parsed()) return run(latency);
    if (model_command->parsed()) return run_model(model);
    if (language_command->parsed()) return run(language);
    if (copier_command->parsed()) return run_copier();
    return run(session);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "flare_bench: %s\n", error.what());
    return 1;
  }
}
