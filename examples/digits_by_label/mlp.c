/* mlp.c - see mlp.h. Compile without -ffast-math and with -ffp-contract=off: see README.md, "Same numbers". */
#include "mlp.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float kRate = 0.1f;
static const size_t kBatch = 32;
static const size_t kTestEvery = 5; /* rows 4, 9, 14 ... of the file are for testing */
static const float kPixelMax = 16.0f;

/* ---- The network --------------------------------------------------------------------------------------------- */

mlp_tensor mlp_tensor_at(mlp *model, int index) {
  const mlp_tensor tensors[MLP_TENSORS] = {
      {"w1", model->w1, MLP_INPUTS * MLP_HIDDEN, 2, {MLP_INPUTS, MLP_HIDDEN}},
      {"b1", model->b1, MLP_HIDDEN, 1, {MLP_HIDDEN, 0}},
      {"w2", model->w2, MLP_HIDDEN * MLP_CLASSES, 2, {MLP_HIDDEN, MLP_CLASSES}},
      {"b2", model->b2, MLP_CLASSES, 1, {MLP_CLASSES, 0}},
  };
  return tensors[index];
}

/* Fills with values in [-limit, limit). Every step but the last product is exact in float32. */
static void fill_uniform(float *values, size_t count, float limit, uint32_t *state) {
  for (size_t i = 0; i < count; i++) {
    *state = 1664525u * *state + 1013904223u;
    values[i] = ((float)(*state >> 8) / 8388608.0f - 1.0f) * limit; /* the top 24 bits; 8388608 is 2^23 */
  }
}

void mlp_init(mlp *model) {
  uint32_t state = 1;
  memset(model, 0, sizeof *model);
  fill_uniform(model->w1, MLP_INPUTS * MLP_HIDDEN, 0.25f, &state);        /* sqrt(6 / (64 + 32)) */
  fill_uniform(model->w2, MLP_HIDDEN * MLP_CLASSES, 0.37796447f, &state); /* sqrt(6 / (32 + 10)) */
}

/* hidden = relu(pixels w1 + b1), scores = hidden w2 + b2 */
static void forward(const mlp *model, const float *pixels, float *hidden, float *scores) {
  for (size_t h = 0; h < MLP_HIDDEN; h++) hidden[h] = model->b1[h];
  for (size_t i = 0; i < MLP_INPUTS; i++)
    for (size_t h = 0; h < MLP_HIDDEN; h++) hidden[h] += pixels[i] * model->w1[i * MLP_HIDDEN + h];
  for (size_t h = 0; h < MLP_HIDDEN; h++) hidden[h] = hidden[h] > 0.0f ? hidden[h] : 0.0f;
  for (size_t c = 0; c < MLP_CLASSES; c++) scores[c] = model->b2[c];
  for (size_t h = 0; h < MLP_HIDDEN; h++)
    for (size_t c = 0; c < MLP_CLASSES; c++) scores[c] += hidden[h] * model->w2[h * MLP_CLASSES + c];
}

static size_t best_of(const float *scores) {
  size_t best = 0;
  for (size_t c = 1; c < MLP_CLASSES; c++)
    if (scores[c] > scores[best]) best = c;
  return best;
}

/* Turns scores into probabilities in place. Taking the highest score off first keeps exp() in range. */
static void softmax(float *scores) {
  const float highest = scores[best_of(scores)];
  float sum = 0.0f;
  for (size_t c = 0; c < MLP_CLASSES; c++) {
    scores[c] = (float)exp((double)(scores[c] - highest)); /* expf() differs from one library to the next */
    sum += scores[c];
  }
  for (size_t c = 0; c < MLP_CLASSES; c++) scores[c] /= sum;
}

/* Adds one row's gradient of the cross-entropy, divided by the size of its batch, and returns the row's loss. */
static double add_gradient(const mlp *model, const float *pixels, int label, float batch_size, mlp *gradient) {
  float hidden[MLP_HIDDEN];
  float delta[MLP_CLASSES]; /* by score: the probability, less 1 for the true digit */
  forward(model, pixels, hidden, delta);
  softmax(delta);
  const double loss = -log((double)delta[label] + DBL_MIN);
  delta[label] -= 1.0f;
  for (size_t c = 0; c < MLP_CLASSES; c++) {
    delta[c] /= batch_size;
    gradient->b2[c] += delta[c];
  }
  for (size_t h = 0; h < MLP_HIDDEN; h++) {
    if (!(hidden[h] > 0.0f)) continue; /* an inactive unit has no part in the result, nor in the gradient */
    float delta_hidden = 0.0f;
    for (size_t c = 0; c < MLP_CLASSES; c++) {
      gradient->w2[h * MLP_CLASSES + c] += hidden[h] * delta[c];
      delta_hidden += delta[c] * model->w2[h * MLP_CLASSES + c];
    }
    gradient->b1[h] += delta_hidden;
    for (size_t i = 0; i < MLP_INPUTS; i++) gradient->w1[i * MLP_HIDDEN + h] += pixels[i] * delta_hidden;
  }
  return loss;
}

static void step_down(mlp *model, mlp *gradient) {
  for (int t = 0; t < MLP_TENSORS; t++) {
    const mlp_tensor to = mlp_tensor_at(model, t);
    const mlp_tensor from = mlp_tensor_at(gradient, t);
    for (size_t i = 0; i < to.count; i++) to.values[i] -= kRate * from.values[i];
  }
}

double mlp_train(mlp *model, const digits_rows *rows, int epochs) {
  double loss = 0.0;
  for (int epoch = 0; epoch < epochs; epoch++) {
    loss = 0.0;
    for (size_t start = 0; start < rows->count; start += kBatch) {
      const size_t end = start + kBatch < rows->count ? start + kBatch : rows->count; /* the last batch may be short */
      mlp gradient;
      memset(&gradient, 0, sizeof gradient);
      for (size_t row = start; row < end; row++)
        loss +=
            add_gradient(model, rows->pixels + row * MLP_INPUTS, rows->labels[row], (float)(end - start), &gradient);
      step_down(model, &gradient);
    }
  }
  return rows->count > 0 ? loss / (double)rows->count : 0.0;
}

double mlp_accuracy(const mlp *model, const digits_rows *rows) {
  size_t right = 0;
  for (size_t row = 0; row < rows->count; row++) {
    float hidden[MLP_HIDDEN];
    float scores[MLP_CLASSES];
    forward(model, rows->pixels + row * MLP_INPUTS, hidden, scores);
    if (best_of(scores) == (size_t)rows->labels[row]) right++;
  }
  return rows->count > 0 ? (double)right / (double)rows->count : 0.0;
}

/* ---- The data ------------------------------------------------------------------------------------------------ */

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static int
fail(char *error, size_t error_size, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(error, error_size, format, arguments);
  va_end(arguments);
  return -1;
}

/* Reads `count` integers with a comma between them. NULL when the line is right, else what is wrong with it. */
static const char *parse_line(const char *line, long *numbers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char *end = NULL;
    numbers[i] = strtol(line, &end, 10);
    if (end == line) return "a number is missing; a line is a label and 64 pixels with commas between them";
    if (i + 1 < count && *end != ',')
      return "too few numbers; a line is a label and 64 pixels with commas between them";
    if (i == 0 && (numbers[i] < 0 || numbers[i] >= MLP_CLASSES)) return "the label, the first number, must be 0 to 9";
    if (i > 0 && (numbers[i] < 0 || numbers[i] > (long)kPixelMax)) return "a pixel must be 0 to 16";
    line = end + 1;
    if (i + 1 == count && end[strspn(end, "\r\n")] != '\0') return "more than 65 numbers";
  }
  return NULL;
}

static int append(digits_rows *rows, const long *numbers) {
  if (rows->count == rows->capacity) {
    const size_t capacity = rows->capacity > 0 ? 2 * rows->capacity : 512;
    float *pixels = realloc(rows->pixels, capacity * MLP_INPUTS * sizeof *pixels);
    if (pixels == NULL) return -1;
    rows->pixels = pixels;
    int *labels = realloc(rows->labels, capacity * sizeof *labels);
    if (labels == NULL) return -1;
    rows->labels = labels;
    rows->capacity = capacity;
  }
  rows->labels[rows->count] = (int)numbers[0];
  for (size_t i = 0; i < MLP_INPUTS; i++)
    rows->pixels[rows->count * MLP_INPUTS + i] = (float)numbers[1 + i] / kPixelMax;
  rows->count++;
  return 0;
}

static int read_rows(digits *data, FILE *file, const char *path, int site, int sites, char *error, size_t error_size) {
  char line[512];
  long numbers[1 + MLP_INPUTS];
  size_t row = 0;
  for (; fgets(line, sizeof line, file) != NULL; row++) {
    const char *problem = parse_line(line, numbers, 1 + MLP_INPUTS);
    if (problem != NULL) return fail(error, error_size, "%s:%zu: %s", path, row + 1, problem);
    digits_rows *rows = NULL;
    if (row % kTestEvery == kTestEvery - 1) {
      rows = &data->test;
    } else if (numbers[0] * sites / MLP_CLASSES == site) { /* each site has a block of neighbouring digits */
      rows = &data->train;
    }
    if (rows != NULL && append(rows, numbers) != 0) return fail(error, error_size, "%s: out of memory", path);
  }
  if (ferror(file)) return fail(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
  if (data->train.count == 0 || data->test.count == 0)
    return fail(error, error_size, "%s: nothing to learn from or nothing to test with in its %zu lines", path, row);
  return 0;
}

int digits_load(digits *data, const char *path, int site, int sites, char *error, size_t error_size) {
  memset(data, 0, sizeof *data);
  if (sites < 1 || sites > MLP_CLASSES)
    return fail(error, error_size, "%d sites: there must be 1 to 10, as there are 10 digits to share out", sites);
  if (site < 0 || site >= sites)
    return fail(error, error_size, "site number %d does not exist: they are 0 to %d", site, sites - 1);
  FILE *file = fopen(path, "r");
  if (file == NULL) return fail(error, error_size, "%s: cannot be opened: %s", path, strerror(errno));
  data->epochs = sites > 2 ? 1 : 2;
  const int outcome = read_rows(data, file, path, site, sites, error, error_size);
  (void)fclose(file);
  if (outcome != 0) digits_free(data);
  return outcome;
}

void digits_free(digits *data) {
  free(data->train.pixels);
  free(data->train.labels);
  free(data->test.pixels);
  free(data->test.labels);
  memset(data, 0, sizeof *data);
}

int digits_site_index(const char *site) {
  static const char prefix[] = "site-";
  if (strncmp(site, prefix, sizeof prefix - 1) != 0) return -1;
  const char *number = site + sizeof prefix - 1;
  if (*number < '1' || *number > '9') return -1;
  char *end = NULL;
  const long index = strtol(number, &end, 10);
  return *end == '\0' && index <= MLP_CLASSES ? (int)index - 1 : -1;
}
