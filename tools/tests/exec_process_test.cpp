// `flare-agent exec` as a trainer of a real site: what it makes of what a program does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "private_directory.h"
#include "site.h"

namespace flare_tool {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

// Gone, or dead and only waiting for its parent to notice.
bool is_dead(const std::string &pid) {
  std::ifstream stat("/proc/" + pid + "/stat");
  std::string id, name, state;
  return !(stat >> id >> name >> state) || state == "Z";
}

template <typename Condition>
bool comes_true(Condition condition) {
  for (const auto deadline = std::chrono::steady_clock::now() + 20s; !condition();) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

class Exec : public testing::Test {
 protected:
  // `script` for sh; `options` of exec; `words` for the script.
  void start(const std::string &script, const std::string &options = "", const std::string &words = "") {
    write("script", script);
    const std::string url = "zmq+ipc://" + (folder_.path() / "x.sock").string();
    const std::string command = std::string(FLARE_AGENT_COMMAND) + " exec --grace 0.5 --dir " +
                                folder_.path().string() + " " + options + " -- sh " + path("script") + words;
    site_ = std::make_unique<Site>(Site::Settings{"site-1", "job-1", url, command, {path("")}, path("log")});
  }
  void start_resident(const std::string &script) { start(script, "--resident"); }
  ~Exec() override {
    if (site_) site_->end("the test is over");
    if (site_) comes_true([&] { return site_->trainer().has_ended(); });
  }

  void send(const std::string &task, const Model &model, int64_t round = 2) { site_->send({task, &model, round, 5}); }
  Answer answer() {
    std::optional<Answer> answer;
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!(answer = site_->take_answer())) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("no answer");
      pollfd entry = {site_->answer_fd(), POLLIN, 0};
      ::poll(&entry, 1, 1'000);
    }
    return *answer;
  }
  Answer ask(const std::string &task = "train") {
    send(task, model());
    return answer();
  }
  std::string failure(const std::string &task = "train") {
    try {
      ask(task);
    } catch (const std::exception &error) {
      return error.what();
    }
    return "no failure";
  }

  static Model model() {
    const float w[] = {1, 2, 3, 4};
    const int64_t n = 7;
    const auto bytes = [](const auto &of) {
      const auto *begin = reinterpret_cast<const std::byte *>(&of);
      return std::vector<std::byte>(begin, begin + sizeof of);
    };
    return {{"layer/w", FLARE_FLOAT32, {2, 2}, bytes(w)}, {"n", FLARE_INT64, {}, bytes(n)}};
  }
  std::string path(const std::string &name) const { return folder_.path() / name; }
  std::string read(const std::string &name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }
  void write(const std::string &name, const std::string &text) const { std::ofstream(path(name)) << text; }
  // A word that the script has written to a file.
  std::string word(const std::string &name) const {
    EXPECT_TRUE(comes_true([&] { return read(name).find('\n') != std::string::npos; })) << name << "\n" << read("log");
    const std::string text = read(name);
    return text.substr(0, text.find('\n'));
  }
  void end_of_job() {
    site_->end("all is done");
    EXPECT_TRUE(comes_true([&] { return site_->trainer().has_ended(); }));
    EXPECT_TRUE(site_->trainer().has_succeeded()) << site_->trainer().how_it_ended() << read("log");
    site_->take_logged();
  }
  // Its files, beside our own.
  size_t folders_left() const {
    size_t count = 0;
    for (const auto &entry : std::filesystem::directory_iterator(folder_.path())) count += entry.is_directory();
    return count;
  }

  const PrivateDirectory folder_;
  std::unique_ptr<Site> site_;
};

constexpr const char *kEcho = "cp $FLARE_TASK_FILE $FLARE_RESULT_FILE\n";

void expect_echo(const Answer &answer, const Model &sent) {
  ASSERT_EQ(answer.model.size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(answer.model[i].name, sent[i].name);
    EXPECT_EQ(answer.model[i].dtype, sent[i].dtype);
    EXPECT_EQ(answer.model[i].shape, sent[i].shape);
    EXPECT_EQ(answer.model[i].elements, sent[i].elements);
  }
}

TEST_F(Exec, AProgramThatCopiesAFileIsATrainer) {
  start(kEcho);
  for (int i = 0; i < 3; ++i) expect_echo(ask(), model());
  end_of_job();
  EXPECT_EQ(folders_left(), 0u);
}

TEST_F(Exec, ALargeModelComesBackAsItWent) {
  start(kEcho, "--format safetensors");
  Model large = {{"w", FLARE_FLOAT32, {1 << 20, 8}, std::vector<std::byte>(size_t{32} << 20)}};
  for (size_t i = 0; i < large[0].elements.size(); i += 4'096) large[0].elements[i] = static_cast<std::byte>(i >> 12);
  send("train", large);
  expect_echo(answer(), large);
}

TEST_F(Exec, TheProgramIsToldInEachForm) {
  start(
      "echo \"$FLARE_TASK_NAME $FLARE_TASK_KIND $FLARE_TASK_ROUND $FLARE_TASK_TOTAL_ROUNDS $FLARE_TASK_ATTEMPT"
      " $FLARE_TASK_SITE $FLARE_TASK_JOB ${FLARE_AGENT_TOKEN-no token}\" > $1/told\n"
      "cp $FLARE_TASK_JSON $1/json\n"
      "echo '{\"metrics\": {\"accuracy\": 0.5}, \"num_steps\": 12}' > $FLARE_RESULT_JSON\n" +
      std::string(kEcho));
  const Answer answer = ask();
  EXPECT_EQ(answer.accuracy, 0.5);
  EXPECT_EQ(answer.steps, 12);
  EXPECT_EQ(word("told"), "train train 2 5 1 site-1 job-1 no token");
  EXPECT_THAT(read("json"), AllOf(HasSubstr("\"task_round\":2,"), HasSubstr("\"data_kind\":\"WEIGHTS\""),
                                  HasSubstr("/task.npz\""), HasSubstr("\"job_id\":\"job-1\"")));
}

TEST_F(Exec, TheCommandNamesTheFiles) {
  const std::string url = "zmq+ipc://" + path("x.sock");
  const std::string command = std::string(FLARE_AGENT_COMMAND) + " exec -- cp '{task}' '{result}'";
  site_ = std::make_unique<Site>(Site::Settings{"site-1", "job-1", url, command, {}, path("log")});
  expect_echo(ask(), model());
}

// As numpy.savez_compressed() writes the transpose of an array.
TEST_F(Exec, TheProgramGetsItsWordsAsTheyStand) {
  start("echo \"$1 $2\" > $3/words\n" + std::string(kEcho), "", " [64,32] []");
  expect_echo(ask(), model());
  EXPECT_EQ(word("words"), "[64,32] []");
}

TEST_F(Exec, CompressedArraysInFortransOrderAreUnderstood) {
  write("make.py", R"(
import struct, sys, zipfile
def array(descr, shape, fortran, elements):
    head = str({'descr': descr, 'fortran_order': fortran, 'shape': shape}).ljust(117) + '\n'
    return b'\x93NUMPY\1\0' + struct.pack('<H', len(head)) + head.encode() + elements
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as file:
    file.writestr('layer/w.npy', array('<f4', (2, 2), True, struct.pack('<4f', 1, 3, 2, 4)))
    file.writestr('n.npy', array('<i8', (), False, struct.pack('<q', 7)))
)");
  start("python3 $1/make.py $FLARE_RESULT_FILE");
  expect_echo(ask(), model());
}

TEST_F(Exec, MetricsAreLines) {
  start("echo hello; echo metric loss 0.5; echo metric loss 0.25 7; echo metric loss low; " + std::string(kEcho));
  ask();
  end_of_job();
  ASSERT_EQ(site_->logged().size(), 2u);
  EXPECT_EQ(site_->logged()[0].step, 2);
  EXPECT_EQ(site_->logged()[1].value, 0.25);
  EXPECT_EQ(site_->logged()[1].step, 7);
  EXPECT_THAT(read("log"), AllOf(HasSubstr("hello\n"), HasSubstr("this is no metric")));
}

TEST_F(Exec, AResidentProgramAnswersLineByLine) {
  start_resident(
      "echo started >> $1/starts\n"
      "while read -r task; do\n"
      "  file=${task#*'\"task_file\":\"'}; file=${file%%'\"'*}; result=${task#*'\"result_file\":\"'}\n"
      "  cp $file ${result%%'\"'*}; echo metric loss 1; echo '{\"num_steps\": 3}'\n"
      "done; echo bye > $1/bye; echo a last word");
  for (int i = 0; i < 3; ++i) {
    const Answer answer = ask();
    expect_echo(answer, model());
    EXPECT_EQ(answer.steps, 3);
  }
  end_of_job();
  EXPECT_EQ(read("starts"), "started\n");
  EXPECT_THAT(read("log"), HasSubstr("a last word\n"));
  EXPECT_EQ(read("bye"), "bye\n");  // the end of its input is the end of the job
  EXPECT_EQ(site_->logged().size(), 3u);
}

// ---- What goes wrong ---------------------------------------------------------------------------------------------

TEST_F(Exec, AFailureSaysItsStatusAndLastWords) {
  start("echo no GPU here >&2; exit 3");
  EXPECT_THAT(failure(), HasSubstr("EXECUTION_EXCEPTION: the program ended with exit status 3; the end of its standard "
                                   "error:\n    no GPU here"));
  EXPECT_THAT(failure(), HasSubstr("no GPU here"));  // the next task has its own process
}

TEST_F(Exec, ASignalIsNamed) {
  start("kill -9 $$");
  EXPECT_THAT(failure(), HasSubstr("the program ended with signal 9 (Killed); it said nothing"));
}

TEST_F(Exec, AProgramThatIsNotThereIsNamed) {
  const std::string command = std::string(FLARE_AGENT_COMMAND) + " exec -- /nowhere/program";
  site_ = std::make_unique<Site>(
      Site::Settings{"site-1", "job-1", "zmq+ipc://" + path("x.sock"), command, {}, path("log")});
  EXPECT_THAT(failure(), HasSubstr("cannot start /nowhere/program: No such file or directory"));
}

TEST_F(Exec, AMissingResultIsNamed) {
  start("true");
  EXPECT_THAT(failure(), AllOf(HasSubstr("EXECUTION_RESULT_ERROR"), HasSubstr("neither FLARE_RESULT_FILE")));
}

TEST_F(Exec, AnotherReturnCodeIsTheProgramsOwn) {
  start(R"(echo '{"return_code": "TASK_UNSUPPORTED", "reason": "not today"}' > $FLARE_RESULT_JSON)");
  EXPECT_THAT(failure(), HasSubstr("TASK_UNSUPPORTED: not today"));
}

TEST_F(Exec, AResultThatIsNoneIsRefused) {
  start("printf '%s' \"$(cat $1/result)\" > $FLARE_RESULT_JSON");
  for (const auto &[said, why] : {std::pair<std::string, std::string>{"{\"metrics\": 1}", "no object of numbers"},
                                  {"{\"metric\": {}}", "the result says 'metric'; what is known is metrics,"},
                                  {"{\"num_steps\": -1}", "no number of steps"},
                                  {"{\"return_code\": 1}", "'return_code' is no text"},
                                  {"[1]", "no object in JSON"},
                                  {"{\"metrics\": ", "result.json is no JSON"}}) {
    write("result", said);
    EXPECT_THAT(failure(), AllOf(HasSubstr("EXECUTION_RESULT_ERROR"), HasSubstr(why))) << said;
  }
}

TEST_F(Exec, AFileThatIsNoneIsRefused) {
  start("echo text > $FLARE_RESULT_FILE");
  EXPECT_THAT(failure(), HasSubstr("EXECUTION_RESULT_ERROR: result.npz: is no whole npz file"));
}

// The model above in a safetensors file, written by printf: its shape and its elements are the caller's.
std::string safetensors_script(const std::string &shape, const std::string &elements) {
  const std::string header = R"({"layer/w":{"dtype":"F32","shape":)" + shape +
                             R"(,"data_offsets":[0,16]},)"
                             R"("n":{"dtype":"I64","shape":[],"data_offsets":[16,24]}})";
  char octal[8];
  std::snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned>(header.size()));
  return "{ printf '" + std::string(octal) + "\\0\\0\\0\\0\\0\\0\\0'; printf '%s' '" + header + "'; printf '" +
         elements + "\\0\\0\\0\\0\\0\\0\\0\\0'; } > $FLARE_RESULT_FILE";
}
constexpr const char *kZero = "\\0\\0\\0\\0";

TEST_F(Exec, ATensorOfAnotherShapeIsNamed) {
  const std::string zeros = std::string(kZero) + kZero + kZero + kZero;
  start(safetensors_script("[4]", zeros));
  EXPECT_THAT(failure(), AllOf(HasSubstr("EXECUTION_RESULT_ERROR"), HasSubstr("layer/w"), HasSubstr("shape")));
}

TEST_F(Exec, ANumberThatIsNoneIsNamed) {
  start(safetensors_script("[2,2]", std::string(kZero) + "\\0\\0\\300\\177" + kZero + kZero));
  EXPECT_THAT(failure(), AllOf(HasSubstr("EXECUTION_RESULT_ERROR"), HasSubstr("NaN")));
}

TEST_F(Exec, ATypeThatNumpyDoesNotKnowNamesTheOtherFormat) {
  start(kEcho);
  send("train", {{"w", FLARE_BFLOAT16, {1}, std::vector<std::byte>(2)}});
  EXPECT_THAT([&] { answer(); }, testing::ThrowsMessage<std::runtime_error>(HasSubstr("use --format safetensors")));
}

TEST_F(Exec, AResidentProgramThatEndsIsStartedAgain) {
  start_resident("echo started >> $1/starts; read -r task; echo out of luck >&2; exit 4");
  for (int i = 0; i < 2; ++i)
    EXPECT_THAT(failure(), AllOf(HasSubstr("exit status 4 before it answered"), HasSubstr("out of luck")));
  EXPECT_EQ(read("starts"), "started\nstarted\n");
}

TEST_F(Exec, AnAnswerThatIsNoneIsRefused) {
  start_resident("while read -r task; do echo '{\"num_steps\": '; done");
  for (int i = 0; i < 2; ++i) EXPECT_THAT(failure(), HasSubstr("is no JSON"));
}

// ---- No process is left behind -----------------------------------------------------------------------------------

// Ignores SIGTERM, as does its child.
constexpr const char *kStubborn = "trap '' TERM; sleep 1000 & echo $! > $1/child; echo $$ > $1/self; wait; wait; wait";

TEST_F(Exec, ATaskThatIsAbortedEndsTheProgramAndTheNextIsServed) {
  start("if [ $FLARE_TASK_NAME = train ]; then " + std::string(kStubborn) + "; else " + kEcho + "fi");
  send("train", model());
  const std::string self = word("self"), child = word("child");
  send("other", model());  // which gives the one before up
  expect_echo(answer(), model());
  EXPECT_TRUE(comes_true([&] { return is_dead(self); }));
  EXPECT_TRUE(comes_true([&] { return is_dead(child); }));
}

TEST_F(Exec, TheEndOfTheJobEndsTheProgram) {
  start(kStubborn);
  send("train", model());
  const std::string self = word("self"), child = word("child");
  end_of_job();
  EXPECT_TRUE(comes_true([&] { return is_dead(self); }));
  EXPECT_TRUE(comes_true([&] { return is_dead(child); }));
  EXPECT_EQ(folders_left(), 0u);
}

TEST_F(Exec, ASignalEndsTheProgramAndAnswersTheTask) {
  start(kStubborn);
  send("train", model());
  const std::string self = word("self"), child = word("child");
  site_->trainer().signal(SIGTERM);
  EXPECT_THAT([&] { answer(); }, testing::ThrowsMessage<std::runtime_error>(HasSubstr("exec was ended by signal 15")));
  EXPECT_TRUE(comes_true([&] { return site_->trainer().has_ended(); }));
  EXPECT_EQ(site_->trainer().how_it_ended(), "exit status 143");
  EXPECT_TRUE(comes_true([&] { return is_dead(self); }));
  EXPECT_TRUE(comes_true([&] { return is_dead(child); }));
}

TEST_F(Exec, WhenItIsKilledNothingStays) {
  start(kStubborn);
  send("train", model());
  const std::string self = word("self"), child = word("child");
  site_->trainer().signal(SIGKILL);
  EXPECT_TRUE(comes_true([&] { return is_dead(self); }));
  EXPECT_TRUE(comes_true([&] { return is_dead(child); }));
  EXPECT_TRUE(comes_true([&] { return folders_left() == 0; }));
}

TEST_F(Exec, WhatAProgramLeavesBehindIsKilled) {
  start("sleep 1000 & echo $! > $1/child\n" + std::string(kEcho));
  expect_echo(ask(), model());
  EXPECT_TRUE(comes_true([&] { return is_dead(word("child")); }));
}

}  // namespace
}  // namespace flare_tool
