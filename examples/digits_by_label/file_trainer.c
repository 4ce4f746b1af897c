/*
 * file_trainer.c - the same site as trainer.c, as a program that knows only files: no library, no federation.
 *
 *   flare-agent exec --format safetensors -- digits_file_trainer DATA.csv SITES
 *
 * It reads the task's model, writes the trained one, and says what else there is to say in a few words of JSON. Where
 * the files are it finds in its environment; with --resident in the lines that it reads, one for each task.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlp.h"

enum { kHeaderMax = 4096, kLineMax = 65536 };

static int fail(const char *what, const char *about) {
  (void)fprintf(stderr, "%s: %s\n", about, what);
  return 1;
}

/* ---- Safetensors: a length, a header in JSON, the elements ------------------------------------------------------- */

/* Where the elements of a tensor begin, as the header says after its name; -1 when it does not. */
static long begin_of(const char *header, const char *name) {
  char key[64];
  (void)snprintf(key, sizeof key, "\"%s\":", name);
  const char *const entry = strstr(header, key);
  const char *const offsets = entry != NULL ? strstr(entry, "\"data_offsets\":[") : NULL;
  return offsets != NULL ? strtol(offsets + strlen("\"data_offsets\":["), NULL, 10) : -1;
}

static int read_model(const char *path, mlp *model) {
  char header[kHeaderMax + 1] = "";
  uint64_t length = 0;
  FILE *const file = fopen(path, "rb");
  if (file == NULL) return fail("cannot be opened", path);
  int failed = fread(&length, sizeof length, 1, file) != 1 || length > kHeaderMax ||
               fread(header, 1, (size_t)length, file) != length;
  for (int t = 0; t < MLP_TENSORS && !failed; t++) {
    const mlp_tensor to = mlp_tensor_at(model, t);
    const long begin = begin_of(header, to.name);
    failed = begin < 0 || fseek(file, (long)(sizeof length + length) + begin, SEEK_SET) != 0 ||
             fread(to.values, sizeof *to.values, to.count, file) != to.count;
  }
  (void)fclose(file);
  return failed ? fail("is not the model that is learned here", path) : 0;
}

static int write_model(const char *path, mlp *model) {
  char header[kHeaderMax];
  int size = 0;
  size_t at = 0;
  for (int t = 0; t < MLP_TENSORS; t++) {
    const mlp_tensor from = mlp_tensor_at(model, t);
    size += snprintf(header + size, sizeof header - (size_t)size, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%" PRId64,
                     t == 0 ? '{' : ',', from.name, from.shape[0]);
    if (from.ndim == 2) size += snprintf(header + size, sizeof header - (size_t)size, ",%" PRId64, from.shape[1]);
    size += snprintf(header + size, sizeof header - (size_t)size, "],\"data_offsets\":[%zu,%zu]}", at,
                     at + from.count * sizeof *from.values);
    at += from.count * sizeof *from.values;
  }
  header[size++] = '}';
  const uint64_t length = (uint64_t)size;
  FILE *const file = fopen(path, "wb");
  if (file == NULL) return fail("cannot be written", path);
  int failed = fwrite(&length, sizeof length, 1, file) != 1 || fwrite(header, 1, (size_t)size, file) != length;
  for (int t = 0; t < MLP_TENSORS; t++) {
    const mlp_tensor from = mlp_tensor_at(model, t);
    failed |= fwrite(from.values, sizeof *from.values, from.count, file) != from.count;
  }
  failed |= fclose(file) != 0;
  return failed ? fail("cannot be written", path) : 0;
}

/* ---- A task ------------------------------------------------------------------------------------------------------ */

typedef struct task {
  char kind[32], site[64], task_file[1024], result_file[1024], result_json[1024];
} task;

static int answer(const task *work, const char *data_path, int sites) {
  char reason[256] = "its name must be site-1, site-2 or the like";
  digits data;
  mlp model;
  const int site = digits_site_index(work->site);
  if (site < 0 || digits_load(&data, data_path, site, sites, reason, sizeof reason) != 0)
    return fail(reason, work->site);
  int failed = 0;
  double accuracy = 0;
  mlp_init(&model);
  const int is_start = strcmp(work->kind, "submit_model") == 0;
  if (!is_start) {
    failed = read_model(work->task_file, &model);
    accuracy = mlp_accuracy(&model, &data.test);
    (void)printf("metric accuracy %.17g\n", accuracy);
  }
  if (!failed && strcmp(work->kind, "train") == 0) (void)mlp_train(&model, &data.train, data.epochs);
  if (!failed && strcmp(work->kind, "validate") != 0) failed = write_model(work->result_file, &model);
  FILE *const words = failed || is_start ? NULL : fopen(work->result_json, "w");
  if (words != NULL) {
    (void)fprintf(words, "{\"metrics\": {\"accuracy\": %.17g}, \"num_steps\": %zu}\n", accuracy, data.train.count);
    failed |= fclose(words) != 0;
  }
  digits_free(&data);
  return failed;
}

/* ---- Where it is ------------------------------------------------------------------------------------------------- */

static void from_environment(const char *name, char *to, size_t size) {
  const char *const value = getenv(name);
  (void)snprintf(to, size, "%s", value != NULL ? value : "");
}

/* The text of a member of a line of JSON that nobody but flare-agent has made. */
static void from_line(const char *line, const char *key, char *to, size_t size) {
  char member[64];
  (void)snprintf(member, sizeof member, "\"%s\":\"", key);
  const char *const begin = strstr(line, member);
  const char *const value = begin != NULL ? begin + strlen(member) : "";
  (void)snprintf(to, size, "%.*s", (int)strcspn(value, "\""), value);
}

/* Ends when there is nothing more to read. A task that fails ends the program, which is started again for the next. */
static int serve(const char *data, int sites) {
  static char line[kLineMax];
  task work;
  while (fgets(line, sizeof line, stdin) != NULL) {
    from_line(line, "task_kind", work.kind, sizeof work.kind);
    from_line(line, "task_site", work.site, sizeof work.site);
    from_line(line, "task_file", work.task_file, sizeof work.task_file);
    from_line(line, "result_file", work.result_file, sizeof work.result_file);
    from_line(line, "result_json", work.result_json, sizeof work.result_json);
    if (answer(&work, data, sites) != 0) return 1;
    (void)printf("{}\n");
    (void)fflush(stdout);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3) return fail("usage: DATA.csv SITES", argv[0]);
  if (getenv("FLARE_TASK_FILE") == NULL) return serve(argv[1], atoi(argv[2]));
  task work;
  from_environment("FLARE_TASK_KIND", work.kind, sizeof work.kind);
  from_environment("FLARE_TASK_SITE", work.site, sizeof work.site);
  from_environment("FLARE_TASK_FILE", work.task_file, sizeof work.task_file);
  from_environment("FLARE_RESULT_FILE", work.result_file, sizeof work.result_file);
  from_environment("FLARE_RESULT_JSON", work.result_json, sizeof work.result_json);
  return answer(&work, argv[1], atoi(argv[2]));
}
