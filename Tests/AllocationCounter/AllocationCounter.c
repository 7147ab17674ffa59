// A test executable that links this file resolves malloc and its kin here, in every library of
// the process. The work is handed on to the C library under the names that glibc gives its own
// functions, so memory taken on one side may be given back on the other.
//
// The address sanitizer brings its own functions; under it nothing is counted.

#include "AllocationCounter.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>

static _Thread_local unsigned long count;
static _Thread_local long heldBytes;
static _Thread_local long largestHeldBytes;

unsigned long allocationCountOfThread(void) { return count; }

void beginPeakOfThread(void) {
  heldBytes = 0;
  largestHeldBytes = 0;
}

long peakBytesOfThread(void) { return largestHeldBytes; }

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define USES_SANITIZER
#endif
#endif

#ifndef USES_SANITIZER

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

static void *taken(void *memory) {
  ++count;
  if (memory != NULL) heldBytes += (long)malloc_usable_size(memory);
  if (heldBytes > largestHeldBytes) largestHeldBytes = heldBytes;
  return memory;
}

void *malloc(size_t size) { return taken(__libc_malloc(size)); }

void *calloc(size_t number, size_t size) { return taken(__libc_calloc(number, size)); }

void *realloc(void *memory, size_t size) {
  const long before = memory == NULL ? 0 : (long)malloc_usable_size(memory);
  void *result = __libc_realloc(memory, size);
  if (result != NULL || size == 0) heldBytes -= before;
  return taken(result);
}

void *memalign(size_t alignment, size_t size) { return taken(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) {
  return taken(__libc_memalign(alignment, size));
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  void *result = taken(__libc_memalign(alignment, size));
  if (result == NULL) return ENOMEM;
  *memory = result;
  return 0;
}

void free(void *memory) {
  if (memory != NULL) heldBytes -= (long)malloc_usable_size(memory);
  __libc_free(memory);
}

#endif
