/* A program that loads the library itself, unloads it while an agent is open, and loads it again. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "flare_agent.h"

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, flare_error_message_(last_error)); \
      return 1;                                                                                              \
    }                                                                                                        \
  } while (0)

static flare_error *last_error;

/* The functions that this program uses, found by name. */
static __typeof__(&flare_version) flare_version_;
static __typeof__(&flare_error_message) flare_error_message_;
static __typeof__(&flare_options_new) flare_options_new_;
static __typeof__(&flare_options_set) flare_options_set_;
static __typeof__(&flare_options_free) flare_options_free_;
static __typeof__(&flare_agent_open) flare_agent_open_;
static __typeof__(&flare_agent_next_task) flare_agent_next_task_;
static __typeof__(&flare_agent_close) flare_agent_close_;

/* ISO C has no cast from an object pointer to a function pointer. */
static void find(void *library, const char *name, void *function) {
  void *found = dlsym(library, name);
  memcpy(function, &found, sizeof found);
}

#define FIND(library, name) find(library, #name, &name##_)

static void *load(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return NULL;
  }
  FIND(library, flare_version);
  FIND(library, flare_error_message);
  FIND(library, flare_options_new);
  FIND(library, flare_options_set);
  FIND(library, flare_options_free);
  FIND(library, flare_agent_open);
  FIND(library, flare_agent_next_task);
  FIND(library, flare_agent_close);
  return library;
}

static flare_agent *open_agent(const char *url) {
  flare_agent *agent = NULL;
  flare_options *options = flare_options_new_();
  if (flare_options_set_(options, "url", url, &last_error) == FLARE_OK) {
    (void)!flare_agent_open_(options, &agent, &last_error);
  }
  flare_options_free_(options);
  return agent;
}

static int entries_of(const char *folder) {
  int count = 0;
  DIR *directory = opendir(folder);
  while (directory != NULL && readdir(directory) != NULL) ++count;
  if (directory != NULL) closedir(directory);
  return count;
}

/* A thread that ended may take a moment to leave the list of the system. */
static int settles_at(const char *folder, int count) {
  for (int i = 0; i < 500 && entries_of(folder) > count; ++i) usleep(10000);
  return entries_of(folder) <= count;
}

int main(int argc, char **argv) {
  flare_task *task = NULL;
  alarm(120);
  if (argc != 2) {
    fprintf(stderr, "usage: %s LIBRARY\n", argv[0]);
    return 2;
  }
  void *library = load(argv[1]);
  if (library == NULL) return 1;
  CHECK(flare_version_() == FLARE_VERSION);
  flare_agent *agent = open_agent("memory://dlopen");
  CHECK(agent != NULL);
  CHECK(flare_agent_next_task_(agent, 10, &task, &last_error) == FLARE_TIMEOUT);

  /* The agent's thread runs on: its code must stay. */
  CHECK(dlclose(library) == 0);
  CHECK(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
  usleep(100000);
  CHECK(flare_agent_next_task_(agent, 10, &task, &last_error) == FLARE_TIMEOUT);
  flare_agent_close_(agent);

  int threads = 0, descriptors = 0;
  for (int i = 0; i < 100; ++i) {
    library = load(argv[1]);
    if (library == NULL) return 1;
    const int closed_after = i % 5 == 4; /* unloaded under an open agent, and closed by what is loaded next */
    agent = i % 3 == 0 ? NULL : open_agent(i % 3 == 1 ? "zmq+ipc:///tmp/flare-capi-dlopen-nobody" : "memory://dlopen");
    CHECK(i % 3 == 0 || agent != NULL);
    if (agent != NULL) CHECK(flare_agent_next_task_(agent, 1, &task, &last_error) == FLARE_TIMEOUT);
    if (!closed_after) flare_agent_close_(agent);
    CHECK(dlclose(library) == 0);
    if (closed_after) {
      library = load(argv[1]);
      if (library == NULL) return 1;
      flare_agent_close_(agent);
      CHECK(dlclose(library) == 0);
    }
    if (i == 2) { /* each way was gone once */
      threads = entries_of("/proc/self/task");
      descriptors = entries_of("/proc/self/fd");
    }
  }
  CHECK(settles_at("/proc/self/task", threads));
  CHECK(settles_at("/proc/self/fd", descriptors));
  agent = open_agent("memory://dlopen");
  CHECK(agent != NULL);
  return 0; /* with an agent open and the library unloaded: nothing of ours runs at exit */
}
