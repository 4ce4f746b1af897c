/* logreg.c - see logreg.h. Sums are in double, so that every language arrives at the same float32 weights. */
#include "logreg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double kRate = 0.5, kDecay = 1e-3;
static const int kSteps = 10;

/* ---- The data ------------------------------------------------------------------------------------------------ */

static int read_row(FILE *file, logreg_rows *rows) {
  if (rows->count == LOGREG_MAX_ROWS || fscanf(file, "%d", &rows->labels[rows->count]) != 1) return 0;
  for (size_t i = 0; i < LOGREG_FEATURES; i++)
    if (fscanf(file, ",%f", &rows->features[rows->count][i]) != 1) return 0;
  rows->count++;
  return 1;
}

/* Row 4, 9, 14 ... are for testing. Of the rest every third belongs to site-1, so that its weight in the average
 * differs from that of site-2. */
int logreg_load(logreg_data *data, const char *path, const char *site, const char **error) {
  static logreg_rows elsewhere; /* rows of the other site */
  const int first = strcmp(site, "site-1") == 0;
  FILE *file = fopen(path, "r");
  size_t row = 0, train_row = 0;
  memset(data, 0, sizeof *data);
  *error = "the file cannot be opened";
  if (file == NULL) return -1;
  *error = "the site must be site-1 or site-2";
  if (first || strcmp(site, "site-2") == 0) {
    *error = "not a table of a label and 30 numbers in each line";
    for (logreg_rows *into = &data->train; into != NULL; row++) {
      elsewhere.count = 0;
      if (row % 5 == 4) {
        into = &data->test;
      } else {
        into = (train_row++ % 3 == 0) == first ? &data->train : &elsewhere;
      }
      if (!read_row(file, into)) into = NULL;
    }
    if (feof(file) && data->train.count > 0 && data->test.count > 0) *error = NULL;
  }
  (void)fclose(file);
  return *error == NULL ? 0 : -1;
}

/* ---- The model ----------------------------------------------------------------------------------------------- */

static double score(const double *weights, const float *features) {
  double sum = weights[LOGREG_FEATURES];
  for (size_t i = 0; i < LOGREG_FEATURES; i++) sum += weights[i] * (double)features[i];
  return sum;
}

/* One step down; returns the mean cross-entropy of where it started. */
static double step(double *weights, const logreg_rows *rows) {
  double gradient[LOGREG_WEIGHTS] = {0}, loss = 0;
  for (size_t row = 0; row < rows->count; row++) {
    const double probability = 1 / (1 + exp(-score(weights, rows->features[row])));
    const double error = probability - rows->labels[row];
    for (size_t i = 0; i < LOGREG_FEATURES; i++) gradient[i] += error * (double)rows->features[row][i];
    gradient[LOGREG_FEATURES] += error;
    loss -= log(1 - fabs(error) + 1e-300);
  }
  for (size_t i = 0; i < LOGREG_WEIGHTS; i++)
    weights[i] -= kRate * (gradient[i] / (double)rows->count + kDecay * weights[i]);
  return loss / (double)rows->count;
}

double logreg_train(float weights[LOGREG_WEIGHTS], const logreg_rows *rows) {
  double exact[LOGREG_WEIGHTS], loss = 0;
  for (size_t i = 0; i < LOGREG_WEIGHTS; i++) exact[i] = (double)weights[i];
  for (int i = 0; i < kSteps; i++) loss = step(exact, rows);
  for (size_t i = 0; i < LOGREG_WEIGHTS; i++) weights[i] = (float)exact[i];
  return loss;
}

double logreg_accuracy(const float weights[LOGREG_WEIGHTS], const logreg_rows *rows) {
  double exact[LOGREG_WEIGHTS];
  size_t right = 0;
  for (size_t i = 0; i < LOGREG_WEIGHTS; i++) exact[i] = (double)weights[i];
  for (size_t row = 0; row < rows->count; row++) right += (score(exact, rows->features[row]) > 0) == rows->labels[row];
  return (double)right / (double)rows->count;
}
