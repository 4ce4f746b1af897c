/* Makes the libzmq of a program one that was built without CURVE, as far as it says so. */
#include <string.h>

int zmq_has(const char *capability);

int zmq_has(const char *capability) { return strcmp(capability, "curve") != 0; }
