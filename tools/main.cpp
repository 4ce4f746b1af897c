// The flare-agent command: takes the command line apart.
#include <flare_agent.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "exec/exec.h"
#include "interrupts.h"
#include "keys.h"
#include "option_page.h"
#include "simulate.h"

namespace {

using flare_tool::SimulateOptions;

void add_simulate(CLI::App &app, SimulateOptions *options, int64_t *task_timeout) {
  CLI::App *const command = app.add_subcommand("simulate", "Run a federation on this machine");
  command->add_option("--sites", options->sites, "Number of sites")->required()->check(CLI::Range(1, 64));
  command->add_option("--rounds", options->rounds, "Number of rounds")->required()->check(CLI::Range(1, 100000));
  command->add_option("--trainer", options->trainers, "Command of a trainer, run as: CMD DATA SITES; may be repeated")
      ->required()
      ->type_name("CMD")
      ->allow_extra_args(false);
  command->add_option("--data", options->data, "Passed on to the trainers")
      ->required()
      ->type_name("FILE")
      ->check(CLI::ExistingPath);
  command->add_option("--transport", options->transport, "Pipe between site and trainer")
      ->check(CLI::IsMember({"zmq+ipc", "zmq+tcp"}))
      ->capture_default_str();
  command->add_flag("--baselines,!--no-baselines", options->baselines, "Also train each site alone (the default)");
  command->add_option("--svg", options->svg, "Draw the curves")->type_name("FILE");
  command->add_option("--json", options->json, "Write all numbers")->type_name("FILE");
  command->add_option("--model", options->model, "Write what was learned together")->type_name("FILE");
  command->add_option("--log-dir", options->log_dir, "Keep what the trainers print")->type_name("DIR");
  command->add_option("--task-timeout", *task_timeout, "Longest wait for an answer")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->callback([options, task_timeout] {
    options->task_timeout = std::chrono::seconds(*task_timeout);
    flare_tool::simulate(*options);
  });
}

void add_exec(CLI::App &app, flare_tool::ExecOptions *options, double *grace) {
  CLI::App *const command = app.add_subcommand("exec", "Serve a job by a program that knows only files");
  command->add_option("COMMAND", options->command, "The program and its arguments, after --")->required();
  command->add_option("--format", options->format, "Of the tasks' files; those of results may have either")
      ->check(CLI::IsMember({"npz", "safetensors"}))
      ->capture_default_str();
  command->add_flag("--resident", options->resident, "One process for all tasks, which answers them line by line");
  command->add_option("--dir", options->folder, "Where the files go: $TMPDIR, else /tmp")->type_name("DIR");
  command->add_option("--grace", *grace, "How long the program has to end, before SIGTERM and before SIGKILL")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  command->callback([options, grace] {
    options->grace = std::chrono::milliseconds(static_cast<int64_t>(*grace * 1000));
    flare_tool::exec(*options);
  });
}

void add_keys(CLI::App &app, std::string *path) {
  CLI::App *const command = app.add_subcommand("keys", "Make a pair of keys for zmq+tcp between machines");
  command->add_option("PATH", *path, "The files are PATH.secret and PATH.public")->required();
  command->callback([path] {
    const flare_tool::KeyFiles files = flare_tool::make_keys(*path);
    std::printf("%s: for this end alone\n%s: for the other end\n", files.secret_file.c_str(),
                files.public_file.c_str());
  });
}

std::string version() {
  const uint32_t library = flare_version();
  return "flare-agent " + std::to_string(FLARE_VERSION_MAJOR) + "." + std::to_string(FLARE_VERSION_MINOR) + "." +
         std::to_string(FLARE_VERSION_PATCH) + ", libflare_agent " + std::to_string(library >> 16) + "." +
         std::to_string(library >> 8 & 255) + "." + std::to_string(library & 255);
}

int run(int argc, char **argv) {
  CLI::App app("Tools for training processes in NVIDIA FLARE jobs", "flare-agent");
  app.require_subcommand(1);
  app.set_version_flag("--version", version());
  SimulateOptions simulate;
  int64_t task_timeout = simulate.task_timeout.count();
  add_simulate(app, &simulate, &task_timeout);
  flare_tool::ExecOptions exec;
  double grace = std::chrono::duration<double>(exec.grace).count();
  add_exec(app, &exec, &grace);
  std::string key_path;
  add_keys(app, &key_path);
  app.add_subcommand("options", "Print the table of options as Markdown")->callback([] {
    std::fputs(flare_tool::option_page().c_str(), stdout);
  });
  app.add_subcommand("version", "Print the version")->callback([] { std::puts(version().c_str()); });
  CLI11_PARSE(app, argc, argv);
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  try {
    return run(argc, argv);
  } catch (const flare_tool::Interrupted &interrupted) {
    std::fprintf(stderr, "flare-agent: %s\n", interrupted.what());
    return 128 + interrupted.signal();  // as shells count
  } catch (const std::exception &error) {
    std::fprintf(stderr, "flare-agent: %s\n", error.what());
    return 1;
  }
}
