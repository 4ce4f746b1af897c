/* What shareables hold: written by one end, looked at while it is a draft, and read at the other end. */
#include "ends.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A draft that is never sent. */
struct draft {
  flare_exchanger *exchanger;
  flare_request *request;
  flare_shareable *shareable;
};

static int new_draft_with(void **state, const char *option, const char *value) {
  struct draft *draft = calloc(1, sizeof *draft);
  flare_options *options = options_for("memory://draft");
  if (option) set_option(options, option, value);
  assert_ok(flare_exchanger_open(options, &draft->exchanger, ERROR));
  flare_options_free(options);
  assert_ok(flare_request_new(draft->exchanger, "train", &draft->request, ERROR));
  draft->shareable = flare_request_shareable(draft->request);
  *state = draft;
  return 0;
}

static int new_draft(void **state) { return new_draft_with(state, NULL, NULL); }
static int new_small_draft(void **state) { return new_draft_with(state, "max_tensor_bytes", "1000"); }

static int free_draft(void **state) {
  struct draft *draft = *state;
  flare_request_free(draft->request);
  flare_exchanger_close(draft->exchanger);
  free(draft);
  fresh_error();
  return 0;
}

static flare_shareable *draft_of(void **state) { return ((struct draft *)*state)->shareable; }

#define ON_DRAFT(test) \
  { #test, test, new_draft, free_draft, NULL }
#define ON_SMALL_DRAFT(test) \
  { #test, test, new_small_draft, free_draft, NULL }

/* Sends a request on its way and gives the task at the other end. */
static flare_task *carry(struct ends *ends, flare_request *request) {
  assert_ok(flare_request_send(request, ERROR));
  return next_task(ends);
}

static void put_back(flare_request *request, flare_task *task) {
  flare_task_free(task);
  flare_request_free(request);
}

/* ---- Element types and shapes ---- */

static const struct {
  flare_dtype dtype;
  size_t size;
} kTypes[] = {
    {FLARE_INT8, 1},    {FLARE_INT16, 2},         {FLARE_INT32, 4},       {FLARE_INT64, 8},     {FLARE_UINT8, 1},
    {FLARE_UINT16, 2},  {FLARE_UINT32, 4},        {FLARE_UINT64, 8},      {FLARE_FLOAT16, 2},   {FLARE_FLOAT32, 4},
    {FLARE_FLOAT64, 8}, {FLARE_OPAQUE, 1},        {FLARE_BFLOAT16, 2},    {FLARE_COMPLEX64, 8}, {FLARE_COMPLEX128, 16},
    {FLARE_BOOL, 1},    {FLARE_FLOAT8_E4M3FN, 1}, {FLARE_FLOAT8_E5M2, 1},
};

static void every_dtype_arrives_as_it_was(void **state) {
  struct ends *ends = *state;
  unsigned char *bytes = new_pattern(6 * 16, 1);
  unsigned char out[6 * 16];
  const int64_t shape[] = {2, 3};
  char name[32];
  flare_request *request = new_request(ends, "train");
  for (size_t i = 0; i < COUNT(kTypes); ++i) {
    const flare_tensor tensor = tensor_of(kTypes[i].dtype, bytes, 2, shape);
    snprintf(name, sizeof name, "t%zu", i);
    assert_ok(flare_shareable_copy_tensor(flare_request_shareable(request), name, &tensor, ERROR));
  }
  flare_task *task = carry(ends, request);
  const flare_shareable *received = flare_task_shareable(task);
  assert_int_equal(flare_shareable_tensor_count(received), COUNT(kTypes));
  for (size_t i = 0; i < COUNT(kTypes); ++i) {
    flare_tensor tensor = FLARE_TENSOR_INIT;
    const char *found = NULL;
    snprintf(name, sizeof name, "t%zu", i);
    assert_ok(flare_shareable_tensor_at(received, i, &found, &tensor)); /* in the order of the sender */
    assert_string_equal(found, name);
    assert_int_equal(tensor.dtype, kTypes[i].dtype);
    assert_int_equal(tensor.ndim, 2);
    assert_int_equal(tensor.shape[0], 2);
    assert_int_equal(tensor.shape[1], 3);
    assert_null(tensor.strides);
    assert_int_equal((uintptr_t)tensor.data % 64, 0);
    assert_memory_equal(tensor.data, bytes, 6 * kTypes[i].size);
    memset(out, 0, sizeof out);
    assert_ok(flare_shareable_read_tensor(received, name, kTypes[i].dtype, out, 6, ERROR));
    assert_memory_equal(out, bytes, 6 * kTypes[i].size);
  }
  put_back(request, task);
  free(bytes);
}

static void shapes_of_every_rank_arrive(void **state) {
  struct ends *ends = *state;
  const int32_t value = 42;
  int64_t ones[32];
  const int64_t empty[] = {3, 0, 2};
  int32_t out = 0;
  flare_tensor found = FLARE_TENSOR_INIT;
  flare_request *request = new_request(ends, "train");
  flare_shareable *shareable = flare_request_shareable(request);
  for (int i = 0; i < 32; ++i) ones[i] = 1;
  const flare_tensor scalar = tensor_of(FLARE_INT32, &value, 0, NULL);
  const flare_tensor deep = tensor_of(FLARE_INT32, &value, 32, ones);
  const flare_tensor nothing = tensor_of(FLARE_INT32, NULL, 3, empty);
  assert_ok(flare_shareable_copy_tensor(shareable, "scalar", &scalar, ERROR));
  assert_ok(flare_shareable_copy_tensor(shareable, "deep", &deep, ERROR));
  assert_ok(flare_shareable_copy_tensor(shareable, "nothing", &nothing, ERROR));
  flare_task *task = carry(ends, request);
  const flare_shareable *received = flare_task_shareable(task);
  assert_ok(flare_shareable_find_tensor(received, "scalar", &found));
  assert_int_equal(found.ndim, 0);
  assert_null(found.shape);
  assert_int_equal(*(const int32_t *)found.data, 42);
  assert_ok(flare_shareable_find_tensor(received, "deep", &found));
  assert_int_equal(found.ndim, 32);
  assert_ok(flare_shareable_read_tensor(received, "deep", FLARE_INT32, &out, 1, ERROR));
  assert_int_equal(out, 42);
  assert_ok(flare_shareable_find_tensor(received, "nothing", &found));
  assert_int_equal(found.ndim, 3);
  assert_int_equal(found.shape[1], 0);
  assert_ok(flare_shareable_read_tensor(received, "nothing", FLARE_INT32, NULL, 0, ERROR));
  put_back(request, task);
}

static void strided_elements_are_gathered(void **state) {
  flare_shareable *draft = draft_of(state);
  const int32_t matrix[] = {1, 2, 3, 4, 5, 6};
  const int64_t turned[] = {3, 2}, turned_strides[] = {1, 3};
  const int64_t six[] = {6}, backwards[] = {-1};
  const int64_t wide[] = {2, 3}, broadcast[] = {0, 1};
  const int32_t turned_out[] = {1, 4, 2, 5, 3, 6}, backwards_out[] = {6, 5, 4, 3, 2, 1},
                broadcast_out[] = {1, 2, 3, 1, 2, 3};
  int32_t out[6];
  flare_tensor tensor = tensor_of(FLARE_INT32, matrix, 2, turned);
  tensor.strides = turned_strides;
  assert_ok(flare_shareable_copy_tensor(draft, "turned", &tensor, ERROR));
  assert_ok(flare_shareable_read_tensor(draft, "turned", FLARE_INT32, out, 6, ERROR));
  assert_memory_equal(out, turned_out, sizeof out);
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_borrow_tensor(draft, "lent", &tensor, ERROR));
  assert_message_has("compact");
  tensor = tensor_of(FLARE_INT32, matrix + 5, 1, six);
  tensor.strides = backwards;
  assert_ok(flare_shareable_copy_tensor(draft, "backwards", &tensor, ERROR));
  assert_ok(flare_shareable_read_tensor(draft, "backwards", FLARE_INT32, out, 6, ERROR));
  assert_memory_equal(out, backwards_out, sizeof out);
  tensor = tensor_of(FLARE_INT32, matrix, 2, wide);
  tensor.strides = broadcast;
  assert_ok(flare_shareable_copy_tensor(draft, "broadcast", &tensor, ERROR));
  assert_ok(flare_shareable_read_tensor(draft, "broadcast", FLARE_INT32, out, 6, ERROR));
  assert_memory_equal(out, broadcast_out, sizeof out);
}

static void refuse_tensor(flare_shareable *draft, flare_tensor tensor, const char *part) {
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_copy_tensor(draft, "layer.bias", &tensor, ERROR));
  assert_message_has("layer.bias");
  assert_message_has(part);
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_borrow_tensor(draft, "layer.bias", &tensor, ERROR));
  assert_int_equal(flare_shareable_tensor_count(draft), 0);
}

static void impossible_tensors_are_refused(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  const int64_t single[] = {1}, negative[] = {2, -3}, many[33] = {1};
  const int64_t overflowing[] = {INT64_MAX, 2}, wrapping[] = {INT64_C(1) << 32, INT64_C(1) << 32},
                beside_empty[] = {0, INT64_MAX, INT64_MAX}, huge_strides[] = {INT64_MAX, 1}, pair[] = {2, 1};
  flare_tensor tensor;
  refuse_tensor(draft, tensor_of(0x1234, &one, 1, single), "0x1234");
  refuse_tensor(draft, tensor_of(0, &one, 1, single), "element type");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, &one, 2, negative), "-3");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, &one, -1, single), "-1");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, &one, 33, many), "33");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, &one, 1, NULL), "shape is NULL");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, NULL, 1, single), "data is NULL");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, &one, 2, overflowing), "overflow");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, &one, 2, wrapping), "overflow");
  refuse_tensor(draft, tensor_of(FLARE_FLOAT32, NULL, 3, beside_empty), "overflow");
  tensor = tensor_of(FLARE_FLOAT32, &one, 2, pair);
  tensor.strides = huge_strides;
  refuse_tensor(draft, tensor, "overflow");
  tensor = tensor_of(FLARE_FLOAT32, &one, 1, single);
  tensor.struct_size = 0;
  refuse_tensor(draft, tensor, "struct_size");
  tensor = tensor_of(FLARE_FLOAT32, &one, 1, single);
  tensor.device_type = 2;
  refuse_tensor(draft, tensor, "device");
}

static void host_memory_has_two_numbers(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  flare_tensor tensor = tensor_of(FLARE_FLOAT32, &one, 0, NULL);
  tensor.device_type = 1; /* kDLCPU */
  assert_ok(flare_shareable_copy_tensor(draft, "w", &tensor, ERROR));
}

static void a_tensor_beyond_the_limit_is_too_large(void **state) {
  flare_shareable *draft = draft_of(state);
  const unsigned char bytes[1001] = {0};
  const int64_t above[] = {1001}, at[] = {1000};
  flare_tensor tensor = tensor_of(FLARE_UINT8, bytes, 1, above);
  assert_status(FLARE_TOO_LARGE, flare_shareable_copy_tensor(draft, "w", &tensor, ERROR));
  assert_message_has("max_tensor_bytes");
  assert_status(FLARE_TOO_LARGE, flare_shareable_borrow_tensor(draft, "w", &tensor, ERROR));
  assert_status(FLARE_TOO_LARGE, flare_shareable_copy_bytes(draft, "w", bytes, 1001, ERROR));
  assert_message_has("max_tensor_bytes");
  tensor = tensor_of(FLARE_UINT8, bytes, 1, at);
  assert_ok(flare_shareable_copy_tensor(draft, "w", &tensor, ERROR));
}

static void copied_elements_are_ours_and_borrowed_ones_are_yours(void **state) {
  flare_shareable *draft = draft_of(state);
  float w[] = {1, 2};
  const int64_t two[] = {2};
  flare_tensor tensor = tensor_of(FLARE_FLOAT32, w, 1, two), found = FLARE_TENSOR_INIT;
  assert_ok(flare_shareable_copy_tensor(draft, "copied", &tensor, ERROR));
  assert_ok(flare_shareable_borrow_tensor(draft, "borrowed", &tensor, ERROR));
  w[0] = 10;
  assert_ok(flare_shareable_find_tensor(draft, "copied", &found));
  assert_true(((const float *)found.data)[0] == 1);
  assert_ok(flare_shareable_find_tensor(draft, "borrowed", &found));
  assert_ptr_equal(found.data, w);
}

/* ---- Names ---- */

static void a_misspelt_name_is_told_the_names(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  float out = 0;
  assert_status(FLARE_NOT_FOUND, flare_shareable_read_tensor(draft, "w", FLARE_FLOAT32, &out, 1, ERROR));
  assert_message_has("'w'");
  copy_floats(draft, "layer1.weight", &one, 1);
  copy_floats(draft, "layer1.bias", &one, 1);
  assert_status(FLARE_NOT_FOUND, flare_shareable_read_tensor(draft, "layer1.wieght", FLARE_FLOAT32, &out, 1, ERROR));
  assert_message_has("layer1.wieght");
  assert_message_has("did you mean 'layer1.weight'");
  assert_message_has("layer1.bias");
  assert_int_equal(flare_error_status(last_error), FLARE_NOT_FOUND);
  assert_int_equal(flare_shareable_find_tensor(draft, "layer1.wieght", NULL), FLARE_NOT_FOUND);
}

static void the_list_of_names_is_short(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  float out = 0;
  char name[32];
  for (int i = 0; i < 3000; ++i) {
    snprintf(name, sizeof name, "layer%d", i);
    copy_floats(draft, name, &one, 1);
  }
  assert_status(FLARE_NOT_FOUND, flare_shareable_read_tensor(draft, "embedding", FLARE_FLOAT32, &out, 1, ERROR));
  assert_message_has("layer0");
  assert_message_has("more");
  assert_true(strlen(flare_error_message(last_error)) < 400);
}

static void another_dtype_is_refused_in_words(void **state) {
  flare_shareable *draft = draft_of(state);
  const float w[6] = {0};
  const int64_t shape[] = {2, 3};
  double out[6] = {7, 7, 7, 7, 7, 7};
  const flare_tensor tensor = tensor_of(FLARE_FLOAT32, w, 2, shape);
  assert_ok(flare_shareable_copy_tensor(draft, "w", &tensor, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_read_tensor(draft, "w", FLARE_FLOAT64, out, 6, ERROR));
  assert_message_has("float32[2, 3]");
  assert_message_has("float64");
  assert_true(out[0] == 7);
}

static void another_count_is_refused_in_words(void **state) {
  flare_shareable *draft = draft_of(state);
  const float w[6] = {0};
  float out[7] = {7, 7, 7, 7, 7, 7, 7};
  copy_floats(draft, "w", w, 6);
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_read_tensor(draft, "w", FLARE_FLOAT32, out, 7, ERROR));
  assert_message_has("6 elements");
  assert_message_has("7");
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_read_tensor(draft, "w", FLARE_FLOAT32, out, 5, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_read_tensor(draft, "w", FLARE_FLOAT32, NULL, 0, ERROR));
  assert_true(out[0] == 7);
}

static void a_position_beyond_the_end_is_not_found(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  const char *name = "untouched";
  copy_floats(draft, "w", &one, 1);
  assert_int_equal(flare_shareable_tensor_at(draft, 1, &name, NULL), FLARE_NOT_FOUND);
  assert_int_equal(flare_shareable_tensor_at(draft, SIZE_MAX, &name, NULL), FLARE_NOT_FOUND);
  assert_string_equal(name, "untouched");
  assert_int_equal(flare_shareable_tensor_at(draft, 0, NULL, NULL), FLARE_OK);
}

static void text_that_is_not_utf8_is_refused(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  float out = 0;
  const flare_tensor tensor = tensor_of(FLARE_FLOAT32, &one, 0, NULL);
  const char *bad[] = {"\xff", "caf\xe9", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
  for (size_t i = 0; i < COUNT(bad); ++i) {
    assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_copy_tensor(draft, bad[i], &tensor, ERROR));
    assert_message_has("UTF-8");
    assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_text(draft, FLARE_META, "note", bad[i], ERROR));
  }
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_borrow_tensor(draft, bad[0], &tensor, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_copy_bytes(draft, bad[0], "x", 1, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_kind(draft, bad[0], ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_metric(draft, bad[0], 1, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_int(draft, FLARE_META, bad[0], 1, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_double(draft, FLARE_META, bad[0], 1, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_json(draft, FLARE_META, bad[0], "1", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_json(draft, FLARE_META, "j", "\"\xff\"", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_read_tensor(draft, bad[0], FLARE_FLOAT32, &out, 1, ERROR));
  assert_int_equal(flare_shareable_tensor_count(draft), 0);
  assert_int_equal(flare_value_count(flare_shareable_section(draft, FLARE_META)), 0);
}

static void names_may_be_any_utf8(void **state) {
  struct ends *ends = *state;
  const float one = 1;
  float out = 0;
  const char *name = NULL;
  flare_request *request = new_request(ends, "\xe5\xad\xa6\xe7\xbf\x92");
  copy_floats(flare_request_shareable(request), "\xce\xb8/\xf0\x9f\xa6\x80", &one, 1);
  flare_task *task = carry(ends, request);
  assert_string_equal(flare_task_name(task), "\xe5\xad\xa6\xe7\xbf\x92");
  assert_int_equal(flare_task_get_kind(task), FLARE_TASK_OTHER);
  assert_ok(flare_shareable_tensor_at(flare_task_shareable(task), 0, &name, NULL));
  assert_string_equal(name, "\xce\xb8/\xf0\x9f\xa6\x80");
  assert_ok(flare_shareable_read_tensor(flare_task_shareable(task), name, FLARE_FLOAT32, &out, 1, ERROR));
  put_back(request, task);
}

/* ---- Bytes ---- */

static void bytes_arrive_as_opaque_tensors(void **state) {
  struct ends *ends = *state;
  const char model[] = "tree\0leaf";
  const void *data = NULL;
  size_t size = 99;
  char out[sizeof model];
  const float one = 1;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  flare_request *request = new_request(ends, "train");
  flare_shareable *shareable = flare_request_shareable(request);
  assert_ok(flare_shareable_copy_bytes(shareable, "model", model, sizeof model, ERROR));
  copy_floats(shareable, "w", &one, 1);
  assert_ok(flare_shareable_copy_bytes(shareable, "nothing", NULL, 0, ERROR));
  flare_task *task = carry(ends, request);
  const flare_shareable *received = flare_task_shareable(task);
  assert_int_equal(flare_shareable_tensor_count(received), 3);
  assert_ok(flare_shareable_find_bytes(received, "model", &data, &size));
  assert_int_equal(size, sizeof model);
  assert_memory_equal(data, model, sizeof model);
  assert_ok(flare_shareable_find_tensor(received, "model", &tensor));
  assert_int_equal(tensor.dtype, FLARE_OPAQUE);
  assert_int_equal(tensor.ndim, 1);
  assert_int_equal(tensor.shape[0], sizeof model);
  assert_ptr_equal(tensor.data, data);
  assert_ok(flare_shareable_read_tensor(received, "model", FLARE_OPAQUE, out, sizeof out, ERROR));
  assert_memory_equal(out, model, sizeof model);
  assert_ok(flare_shareable_find_bytes(received, "nothing", &data, &size));
  assert_int_equal(size, 0);
  size = 99;
  assert_int_equal(flare_shareable_find_bytes(received, "w", &data, &size), FLARE_NOT_FOUND);
  assert_int_equal(flare_shareable_find_bytes(received, "no", &data, &size), FLARE_NOT_FOUND);
  assert_int_equal(size, 99);
  put_back(request, task);
}

/* ---- Values ---- */

static const flare_value *child_of(const flare_value *value, const char *key) {
  const flare_value *child = NULL;
  assert_int_equal(flare_value_find(value, key, &child), FLARE_OK);
  return child;
}

static const flare_value *item_of(const flare_value *value, size_t index) {
  const flare_value *child = NULL;
  const char *key = NULL;
  assert_int_equal(flare_value_at(value, index, &key, &child), FLARE_OK);
  assert_string_equal(key, "");
  return child;
}

static void check_nested(const flare_value *root) {
  int64_t integer = 0;
  double number = 0;
  const char *text = NULL;
  const char *key = NULL;
  const void *data = NULL;
  size_t size = 0;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  const flare_value *child = NULL;

  assert_int_equal(flare_value_get_type(root), FLARE_VALUE_MAP);
  assert_int_equal(flare_value_count(root), 5);
  assert_int_equal(flare_value_at(root, 0, &key, &child), FLARE_OK);
  assert_string_equal(key, "z"); /* not sorted */
  assert_int_equal(flare_value_get_type(child), FLARE_VALUE_NONE);
  assert_int_equal(flare_value_at(root, 5, &key, &child), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_find(root, "no", &child), FLARE_NOT_FOUND);

  const flare_value *flag = child_of(root, "flag");
  assert_int_equal(flare_value_get_type(flag), FLARE_VALUE_BOOL);
  assert_int_equal(flare_value_get_int(flag, &integer), FLARE_OK);
  assert_int_equal(integer, 1);

  const flare_value *list = child_of(root, "list");
  assert_int_equal(flare_value_get_type(list), FLARE_VALUE_LIST);
  assert_int_equal(flare_value_count(list), 3);
  assert_int_equal(flare_value_get_int(item_of(list, 0), &integer), FLARE_OK);
  assert_int_equal(integer, -9007199254740993);
  assert_int_equal(flare_value_get_double(item_of(list, 0), &number), FLARE_OK);
  assert_int_equal(flare_value_get_double(item_of(list, 1), &number), FLARE_OK);
  assert_true(number == 2.5);
  assert_int_equal(flare_value_get_int(item_of(list, 1), &integer), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_text(item_of(list, 2), &text), FLARE_OK);
  assert_string_equal(text, "\xc3\xa9\n");
  assert_int_equal(flare_value_find(list, "0", &child), FLARE_NOT_FOUND);

  const flare_value *deep = child_of(child_of(child_of(root, "a"), "b"), "c");
  assert_int_equal(flare_value_count(deep), 0);
  assert_int_equal(flare_value_get_type(deep), FLARE_VALUE_MAP);
  assert_int_equal(flare_value_get_type(child_of(root, "none")), FLARE_VALUE_LIST);

  assert_int_equal(flare_value_get_text(list, &text), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_bytes(list, &data, &size), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_get_tensor(list, &tensor), FLARE_NOT_FOUND);
  assert_int_equal(flare_value_count(flag), 0);
}

static void nested_values_arrive_as_they_were(void **state) {
  struct ends *ends = *state;
  static const char kJson[] =
      "{\"z\": null, \"flag\": true, \"list\": [-9007199254740993, 2.5, \"\\u00e9\\n\"],"
      " \"a\": {\"b\": {\"c\": {}}}, \"none\": []}";
  flare_request *request = new_request(ends, "train");
  flare_shareable *shareable = flare_request_shareable(request);
  assert_ok(flare_shareable_set_json(shareable, FLARE_META, "nested", kJson, ERROR));
  assert_ok(flare_shareable_set_json(shareable, FLARE_HEADERS, "nested", kJson, ERROR));
  assert_ok(flare_shareable_set_json(shareable, FLARE_BODY, "nested", kJson, ERROR));
  check_nested(child_of(flare_shareable_section(shareable, FLARE_META), "nested"));
  flare_task *task = carry(ends, request);
  const flare_shareable *received = flare_task_shareable(task);
  check_nested(child_of(flare_shareable_section(received, FLARE_META), "nested"));
  check_nested(child_of(flare_shareable_section(received, FLARE_HEADERS), "nested"));
  check_nested(child_of(flare_shareable_section(received, FLARE_BODY), "nested"));
  put_back(request, task);
}

static void json_that_does_not_parse_says_where(void **state) {
  flare_shareable *draft = draft_of(state);
  const char *bad[] = {"", "{", "[1, 2", "{\"a\": }", "nul", "1 2", "{'a': 1}", "[1,]", "NaN"};
  for (size_t i = 0; i < COUNT(bad); ++i) {
    assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_json(draft, FLARE_META, "v", bad[i], ERROR));
    assert_true(strlen(flare_error_message(last_error)) > 10);
  }
  assert_int_equal(flare_value_count(flare_shareable_section(draft, FLARE_META)), 0);
}

/* `levels` lists, one in the other. */
static char *nested_lists(size_t levels) {
  char *json = calloc(1, 2 * levels + 1);
  memset(json, '[', levels);
  memset(json + levels, ']', levels);
  return json;
}

static void values_nest_only_so_deep(void **state) {
  struct ends *ends = *state;
  char *fits = nested_lists(32), *too_deep = nested_lists(33), *far_too_deep = nested_lists(100000);
  flare_request *request = new_request(ends, "train");
  flare_shareable *shareable = flare_request_shareable(request);
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_json(shareable, FLARE_META, "v", too_deep, ERROR));
  assert_message_has("32");
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_json(shareable, FLARE_META, "v", far_too_deep, ERROR));
  assert_ok(flare_shareable_set_json(shareable, FLARE_META, "v", fits, ERROR));
  flare_task *task = carry(ends, request); /* what the boundary takes, the wire takes as well */
  const flare_value *value = child_of(flare_shareable_section(flare_task_shareable(task), FLARE_META), "v");
  for (int i = 0; i < 31; ++i) value = item_of(value, 0);
  assert_int_equal(flare_value_count(value), 0);
  put_back(request, task);
  free(fits);
  free(too_deep);
  free(far_too_deep);
}

static void a_tensor_is_a_value_of_the_body(void **state) {
  flare_shareable *draft = draft_of(state);
  const float w[] = {1, 2};
  flare_tensor tensor = FLARE_TENSOR_INIT;
  const void *data = NULL;
  size_t size = 0;
  copy_floats(draft, "w", w, 2);
  assert_ok(flare_shareable_copy_bytes(draft, "b", "xyz", 3, ERROR));
  const flare_value *body = flare_shareable_section(draft, FLARE_BODY);
  const flare_value *value = child_of(body, "w");
  assert_int_equal(flare_value_get_type(value), FLARE_VALUE_TENSOR);
  assert_int_equal(flare_value_get_tensor(value, &tensor), FLARE_OK);
  assert_int_equal(tensor.shape[0], 2);
  assert_memory_equal(tensor.data, w, sizeof w);
  value = child_of(body, "b");
  assert_int_equal(flare_value_get_type(value), FLARE_VALUE_BYTES);
  assert_int_equal(flare_value_get_bytes(value, &data, &size), FLARE_OK);
  assert_int_equal(size, 3);
  assert_memory_equal(data, "xyz", 3);
}

static void a_text_with_a_nul_shows_all_of_itself_as_bytes(void **state) {
  flare_shareable *draft = draft_of(state);
  const char *text = NULL;
  const void *data = NULL;
  size_t size = 0;
  assert_ok(flare_shareable_set_json(draft, FLARE_META, "t", "\"ab\\u0000c\"", ERROR));
  const flare_value *value = child_of(flare_shareable_section(draft, FLARE_META), "t");
  assert_int_equal(flare_value_get_text(value, &text), FLARE_OK);
  assert_string_equal(text, "ab");
  assert_int_equal(flare_value_get_bytes(value, &data, &size), FLARE_OK);
  assert_int_equal(size, 4);
  assert_memory_equal(data, "ab\0c", 4);
}

static void each_section_has_its_own_entries(void **state) {
  flare_shareable *draft = draft_of(state);
  const flare_section sections[] = {FLARE_HEADERS, FLARE_BODY, FLARE_META};
  int64_t integer = 0;
  for (size_t i = 0; i < 3; ++i) {
    const flare_value *section = flare_shareable_section(draft, sections[i]);
    assert_int_equal(flare_value_get_type(section), FLARE_VALUE_MAP);
    assert_int_equal(flare_value_count(section), 0);
  }
  for (size_t i = 0; i < 3; ++i) {
    assert_ok(flare_shareable_set_int(draft, sections[i], "n", (int64_t)i, ERROR));
    assert_ok(flare_shareable_set_double(draft, sections[i], "d", 0.5, ERROR));
    assert_ok(flare_shareable_set_text(draft, sections[i], "t", "", ERROR));
    assert_ok(flare_shareable_set_json(draft, sections[i], "j", "[]", ERROR));
  }
  for (size_t i = 0; i < 3; ++i) {
    const flare_value *section = flare_shareable_section(draft, sections[i]);
    assert_int_equal(flare_value_count(section), 4);
    assert_int_equal(flare_value_get_int(child_of(section, "n"), &integer), FLARE_OK);
    assert_int_equal(integer, (int64_t)i);
    assert_int_equal(flare_value_get_type(child_of(section, "d")), FLARE_VALUE_DOUBLE);
    assert_int_equal(flare_value_get_type(child_of(section, "t")), FLARE_VALUE_TEXT);
    assert_int_equal(flare_value_get_type(child_of(section, "j")), FLARE_VALUE_LIST);
  }
}

static void an_unknown_section_is_refused(void **state) {
  flare_shareable *draft = draft_of(state);
  assert_null(flare_shareable_section(draft, 0));
  assert_null(flare_shareable_section(draft, 4));
  assert_null(flare_shareable_section(draft, -1));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_int(draft, 0, "n", 1, ERROR));
  assert_message_has("FLARE_META");
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_double(draft, 4, "n", 1, ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_text(draft, -1, "n", "x", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_json(draft, INT32_MAX, "n", "1", ERROR));
}

/* ---- The DXO ---- */

static void the_kind_follows_from_the_content(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  double value = 0;
  assert_string_equal(flare_shareable_kind(draft), "");
  assert_ok(flare_shareable_set_metric(draft, "loss", 0.25, ERROR));
  assert_string_equal(flare_shareable_kind(draft), "METRICS");
  assert_int_equal(flare_shareable_params_type(draft), FLARE_PARAMS_NONE);
  assert_ok(flare_shareable_metric(draft, "loss", &value));
  assert_true(value == 0.25);
  const flare_value *body = flare_shareable_section(draft, FLARE_BODY);
  assert_int_equal(flare_value_get_type(child_of(body, "loss")), FLARE_VALUE_DOUBLE);

  copy_floats(draft, "w", &one, 1);
  assert_string_equal(flare_shareable_kind(draft), "WEIGHTS");
  assert_int_equal(flare_shareable_params_type(draft), FLARE_PARAMS_FULL);
  assert_ok(flare_shareable_metric(draft, "loss", &value));
  assert_true(value == 0.25);
  const flare_value *meta = flare_shareable_section(draft, FLARE_META);
  assert_int_equal(flare_value_get_type(child_of(child_of(meta, "initial_metrics"), "loss")), FLARE_VALUE_DOUBLE);

  assert_ok(flare_shareable_set_kind(draft, "WEIGHT_DIFF", ERROR));
  assert_int_equal(flare_shareable_params_type(draft), FLARE_PARAMS_DIFF);
  assert_ok(flare_shareable_set_kind(draft, "COLLECTION", ERROR));
  assert_int_equal(flare_shareable_params_type(draft), FLARE_PARAMS_NONE);
  assert_string_equal(flare_shareable_kind(draft), "COLLECTION");
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_kind(draft, "", ERROR));
  assert_int_equal(flare_shareable_metric(draft, "accuracy", &value), FLARE_NOT_FOUND);
  assert_true(value == 0.25);
}

static void steps_and_return_code_are_where_flare_wants_them(void **state) {
  flare_shareable *draft = draft_of(state);
  int64_t steps = -5;
  assert_int_equal(flare_shareable_steps(draft, &steps), FLARE_NOT_FOUND);
  assert_int_equal(steps, -5);
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_steps(draft, -1, ERROR));
  assert_ok(flare_shareable_set_steps(draft, 640, ERROR));
  assert_ok(flare_shareable_steps(draft, &steps));
  assert_int_equal(steps, 640);
  assert_int_equal(
      flare_value_get_int(child_of(flare_shareable_section(draft, FLARE_META), "NUM_STEPS_CURRENT_ROUND"), &steps),
      FLARE_OK);
  assert_string_equal(flare_shareable_return_code(draft), "OK");
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_return_code(draft, "", ERROR));
  assert_status(FLARE_INVALID_ARGUMENT, flare_shareable_set_return_code(draft, "not ok", ERROR));
  assert_message_has("not ok");
  assert_ok(flare_shareable_set_return_code(draft, "EMPTY_RESULT", ERROR));
  assert_string_equal(flare_shareable_return_code(draft), "EMPTY_RESULT");
}

static void writing_a_name_again_replaces_its_value(void **state) {
  flare_shareable *draft = draft_of(state);
  const float first[] = {1, 2, 3}, second[] = {4};
  float out = 0;
  copy_floats(draft, "w", first, 3);
  copy_floats(draft, "w", second, 1);
  assert_int_equal(flare_shareable_tensor_count(draft), 1);
  assert_ok(flare_shareable_read_tensor(draft, "w", FLARE_FLOAT32, &out, 1, ERROR));
  assert_true(out == 4);
  assert_ok(flare_shareable_copy_bytes(draft, "w", "x", 1, ERROR));
  assert_int_equal(flare_shareable_tensor_count(draft), 1);
  assert_ok(flare_shareable_set_text(draft, FLARE_BODY, "w", "no tensor any more", ERROR));
  assert_int_equal(flare_shareable_tensor_count(draft), 0);
}

static void what_was_read_stays_while_more_is_written(void **state) {
  flare_shareable *draft = draft_of(state);
  const float one = 1;
  const char *name = NULL, *text = NULL;
  flare_tensor tensor = FLARE_TENSOR_INIT;
  copy_floats(draft, "first", &one, 1);
  assert_ok(flare_shareable_set_text(draft, FLARE_META, "note", "first note", ERROR));
  assert_ok(flare_shareable_tensor_at(draft, 0, &name, &tensor));
  const char *kind = flare_shareable_kind(draft);
  const flare_value *meta = flare_shareable_section(draft, FLARE_META);
  assert_int_equal(flare_value_get_text(child_of(meta, "note"), &text), FLARE_OK);
  for (int i = 0; i < 100; ++i) {
    char other[32];
    snprintf(other, sizeof other, "other%d", i);
    copy_floats(draft, other, &one, 1);
    assert_int_equal(flare_shareable_tensor_count(draft), i + 2);
  }
  copy_floats(draft, "first", NULL, 0);
  assert_ok(flare_shareable_set_text(draft, FLARE_META, "note", "second note", ERROR));
  assert_ok(flare_shareable_set_kind(draft, "OTHER", ERROR));
  assert_string_equal(name, "first");
  assert_true(*(const float *)tensor.data == 1);
  assert_int_equal(tensor.shape[0], 1);
  assert_string_equal(kind, "WEIGHTS");
  assert_string_equal(text, "first note");
}

/* ---- When it cannot be written ---- */

static void refuse_writes(flare_shareable *shareable) {
  const float one = 1;
  const flare_tensor tensor = tensor_of(FLARE_FLOAT32, &one, 0, NULL);
  assert_status(FLARE_INVALID_STATE, flare_shareable_copy_tensor(shareable, "v", &tensor, ERROR));
  assert_message_has("read");
  assert_status(FLARE_INVALID_STATE, flare_shareable_borrow_tensor(shareable, "v", &tensor, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_copy_bytes(shareable, "v", "x", 1, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_kind(shareable, "WEIGHTS", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_return_code(shareable, "OK", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_metric(shareable, "v", 1, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_steps(shareable, 1, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_int(shareable, FLARE_META, "v", 1, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_double(shareable, FLARE_META, "v", 1, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_text(shareable, FLARE_META, "v", "x", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_shareable_set_json(shareable, FLARE_META, "v", "1", ERROR));
  assert_int_equal(flare_shareable_find_tensor(shareable, "v", NULL), FLARE_NOT_FOUND);
  assert_int_equal(flare_shareable_find_tensor(shareable, "w", NULL), FLARE_OK);
}

static void what_was_sent_or_received_cannot_be_written(void **state) {
  struct ends *ends = *state;
  flare_request *request = send_task(ends, "train");
  flare_task *task = next_task(ends);
  refuse_writes(flare_request_shareable(request));
  refuse_writes((flare_shareable *)flare_task_shareable(task));
  assert_status(FLARE_INVALID_STATE, flare_request_set_id(request, "another", ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_set_round(request, 1, 2, ERROR));
  assert_status(FLARE_INVALID_STATE, flare_request_set_attempt(request, 2, ERROR));
  flare_result *result = submit_result(task);
  refuse_writes(flare_result_shareable(result));
  flare_reply *reply = wait_reply(request);
  refuse_writes((flare_shareable *)flare_reply_shareable(reply));
  flare_reply_free(reply);
  flare_result_free(result);
  put_back(request, task);
}

/* ---- Size of structs ---- */

/* A struct of an older or newer caller: bytes from `size` on belong to somebody else. */
#define assert_untouched_from(object, size)                           \
  do {                                                                \
    for (size_t at = (size); at < sizeof(object); ++at) {             \
      assert_int_equal(((const unsigned char *)&(object))[at], 0x5a); \
    }                                                                 \
  } while (0)

static void nothing_is_written_beyond_the_struct(void **state) {
  flare_shareable *draft = draft_of(state);
  const float w[] = {1, 2};
  copy_floats(draft, "w", w, 2);
  for (size_t size = 8; size <= sizeof(flare_tensor); ++size) {
    flare_tensor tensor;
    memset(&tensor, 0x5a, sizeof tensor);
    tensor.struct_size = (uint32_t)size;
    assert_ok(flare_shareable_find_tensor(draft, "w", &tensor));
    assert_untouched_from(tensor, size);
    assert_int_equal(tensor.struct_size, size);
    assert_int_equal(tensor.dtype, FLARE_FLOAT32);
    memset(&tensor, 0x5a, sizeof tensor);
    tensor.struct_size = (uint32_t)size;
    assert_ok(flare_shareable_tensor_at(draft, 0, NULL, &tensor));
    assert_untouched_from(tensor, size);
    memset(&tensor, 0x5a, sizeof tensor);
    tensor.struct_size = (uint32_t)size;
    assert_ok(flare_value_get_tensor(child_of(flare_shareable_section(draft, FLARE_BODY), "w"), &tensor));
    assert_untouched_from(tensor, size);
  }
}

static void a_larger_struct_keeps_what_is_not_known(void **state) {
  flare_shareable *draft = draft_of(state);
  const float w[] = {1, 2};
  struct {
    flare_tensor tensor;
    unsigned char later[16];
  } newer;
  memset(&newer, 0x5a, sizeof newer);
  newer.tensor.struct_size = sizeof newer;
  copy_floats(draft, "w", w, 2);
  assert_ok(flare_shareable_find_tensor(draft, "w", &newer.tensor));
  assert_untouched_from(newer, sizeof(flare_tensor));
  assert_int_equal(newer.tensor.struct_size, sizeof newer);
}

static void a_struct_without_its_size_is_refused(void **state) {
  flare_shareable *draft = draft_of(state);
  const float w[] = {1, 2};
  flare_tensor tensor;
  const char *name = "untouched";
  copy_floats(draft, "w", w, 2);
  memset(&tensor, 0, sizeof tensor);
  assert_int_equal(flare_shareable_find_tensor(draft, "w", &tensor), FLARE_INVALID_ARGUMENT);
  assert_int_equal(flare_shareable_tensor_at(draft, 0, &name, &tensor), FLARE_INVALID_ARGUMENT);
  assert_string_equal(name, "untouched");
  assert_null(tensor.data);
}

/* ---- Many, and too many ---- */

static void a_hundred_thousand_tensors_are_found_by_name(void **state) {
  struct ends *ends = *state;
  enum { MANY = 100000 };
  char name[32];
  flare_tensor tensor = FLARE_TENSOR_INIT;
  flare_request *request = new_request(ends, "train");
  for (int i = 0; i < MANY; ++i) {
    const flare_tensor scalar = tensor_of(FLARE_INT32, &i, 0, NULL);
    snprintf(name, sizeof name, "block%d.weight", i);
    if (flare_shareable_copy_tensor(flare_request_shareable(request), name, &scalar, NULL) != FLARE_OK) fail();
  }
  flare_task *task = carry(ends, request);
  const flare_shareable *received = flare_task_shareable(task);
  assert_int_equal(flare_shareable_tensor_count(received), MANY);
  const int64_t start = now_ms();
  for (int i = MANY - 1; i >= 0; --i) {
    snprintf(name, sizeof name, "block%d.weight", i);
    if (flare_shareable_find_tensor(received, name, &tensor) != FLARE_OK) fail();
    if (*(const int32_t *)tensor.data != i) fail();
  }
  assert_true(now_ms() - start < 5000); /* a scan per name would take minutes */
  put_back(request, task);
}

static void a_message_beyond_a_limit_is_refused_where_it_is_made(void **state) {
  struct ends *ends = *state;
  const size_t size = (size_t)70 << 20;
  char *text = malloc(size + 1);
  memset(text, 'x', size);
  text[size] = '\0';

  flare_request *request = new_request(ends, "train");
  assert_ok(flare_shareable_set_text(flare_request_shareable(request), FLARE_META, "log", text, ERROR));
  assert_status(FLARE_TOO_LARGE, flare_request_send(request, ERROR));
  assert_ok(flare_shareable_set_text(flare_request_shareable(request), FLARE_META, "log", "", ERROR));
  flare_task *task = carry(ends, request); /* it is still a draft, and the session still up */

  flare_result *result = new_result(task);
  assert_ok(flare_shareable_set_text(flare_result_shareable(result), FLARE_META, "log", text, ERROR));
  assert_status(FLARE_TOO_LARGE, flare_result_submit(result, ERROR));
  assert_ok(flare_shareable_set_text(flare_result_shareable(result), FLARE_META, "log", "", ERROR));
  assert_ok(flare_result_finish(result, SOON, ERROR));
  flare_result_free(result);
  put_back(request, task);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      OVER_BOTH(every_dtype_arrives_as_it_was),
      OVER_BOTH(shapes_of_every_rank_arrive),
      ON_DRAFT(strided_elements_are_gathered),
      ON_DRAFT(impossible_tensors_are_refused),
      ON_DRAFT(host_memory_has_two_numbers),
      ON_SMALL_DRAFT(a_tensor_beyond_the_limit_is_too_large),
      ON_DRAFT(copied_elements_are_ours_and_borrowed_ones_are_yours),
      ON_DRAFT(a_misspelt_name_is_told_the_names),
      ON_DRAFT(the_list_of_names_is_short),
      ON_DRAFT(another_dtype_is_refused_in_words),
      ON_DRAFT(another_count_is_refused_in_words),
      ON_DRAFT(a_position_beyond_the_end_is_not_found),
      ON_DRAFT(text_that_is_not_utf8_is_refused),
      OVER_BOTH(names_may_be_any_utf8),
      OVER_BOTH(bytes_arrive_as_opaque_tensors),
      OVER_BOTH(nested_values_arrive_as_they_were),
      ON_DRAFT(json_that_does_not_parse_says_where),
      OVER_MEMORY(values_nest_only_so_deep),
      ON_DRAFT(a_tensor_is_a_value_of_the_body),
      ON_DRAFT(a_text_with_a_nul_shows_all_of_itself_as_bytes),
      ON_DRAFT(each_section_has_its_own_entries),
      ON_DRAFT(an_unknown_section_is_refused),
      ON_DRAFT(the_kind_follows_from_the_content),
      ON_DRAFT(steps_and_return_code_are_where_flare_wants_them),
      ON_DRAFT(writing_a_name_again_replaces_its_value),
      ON_DRAFT(what_was_read_stays_while_more_is_written),
      OVER_MEMORY(what_was_sent_or_received_cannot_be_written),
      ON_DRAFT(nothing_is_written_beyond_the_struct),
      ON_DRAFT(a_larger_struct_keeps_what_is_not_known),
      ON_DRAFT(a_struct_without_its_size_is_refused),
      OVER_BOTH(a_hundred_thousand_tensors_are_found_by_name),
      OVER_MEMORY(a_message_beyond_a_limit_is_refused_where_it_is_made),
  };
  begin_program();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
