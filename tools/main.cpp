// The flare-agent command: takes the command line apart.
#include <flare_agent.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/gather.h"
#include "doctor/report.h"
#include "exec/exec.h"
#include "interrupts.h"
#include "keys.h"
#include "option_page.h"
#include "simulate.h"
#include "version_text.h"

namespace {

namespace doctor = flare_tool::doctor;

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

// The words behind "--" as they stand there: CLI11 takes one such as "[64,32]" apart.
std::vector<std::string> words_behind_mark(int argc, char **argv) {
  char **const end = argv + argc;
  char **const mark = std::find_if(argv, end, [](const char *word) { return std::string_view(word) == "--"; });
  return mark == end ? std::vector<std::string>() : std::vector<std::string>(mark + 1, end);
}

void add_exec(CLI::App &app, flare_tool::ExecOptions *options, double *grace, const std::vector<std::string> &behind) {
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
  command->callback([options, grace, &behind] {
    if (!behind.empty()) options->command = behind;
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

struct DoctorOptions {
  doctor::Question question;
  double timeout = 5;
  bool json = false, list = false;
  int status = 0;
};

void run_doctor(DoctorOptions *options) {
  if (options->list) {
    std::fputs(doctor::catalogue_page().c_str(), stdout);
    return;
  }
  options->question.timeout = std::chrono::milliseconds(static_cast<int64_t>(options->timeout * 1000));
  const doctor::Facts facts = doctor::gather(options->question);
  const auto findings = doctor::diagnose(facts);
  std::fputs((options->json ? doctor::json : doctor::text)(facts, findings).c_str(), stdout);
  options->status = doctor::has_problem(findings) ? 1 : 0;
}

void add_doctor(CLI::App &app, DoctorOptions *options) {
  CLI::App *const command = app.add_subcommand("doctor", "Say why a trainer started here does not connect");
  command->add_option("--option", options->question.options, "An option as the trainer sets it; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--timeout", options->timeout, "How long it tries to connect")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_flag("--json", options->json, "For machines");
  command->add_flag("--list", options->list, "Print all that it can find, with the remedies, as Markdown");
  command->add_option("PROGRAM", options->question.program,
                      "After --: the trainer and its arguments, which is looked at and not started");
  command->callback([options] { run_doctor(options); });
}

std::string version() {
  return "flare-agent " + flare_tool::version_text(FLARE_VERSION) + ", libflare_agent " +
         flare_tool::version_text(flare_version());
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
  const std::vector<std::string> behind = words_behind_mark(argc, argv);
  add_exec(app, &exec, &grace, behind);
  std::string key_path;
  add_keys(app, &key_path);
  DoctorOptions doctor;
  add_doctor(app, &doctor);
  app.add_subcommand("options", "Print the table of options as Markdown")->callback([] {
    std::fputs(flare_tool::option_page().c_str(), stdout);
  });
  app.add_subcommand("version", "Print the version")->callback([] { std::puts(version().c_str()); });
  CLI11_PARSE(app, argc, argv);
  return doctor.status;
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
